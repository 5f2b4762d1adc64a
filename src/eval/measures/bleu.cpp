#include "eval/measures/bleu.h"

#include <algorithm>
#include <cmath>

#include "eval/measures/words.h"

namespace ilora {
namespace {

// White space at the end goes first, as sacreBLEU has it: otherwise "-\n" there would count as a
// broken word.
Words bleu_words(const std::string& text, bool chinese) {
  const std::string line = without_final_space(text);
  return split_words(chinese ? tokenize_zh(line) : tokenize_13a(line));
}

}  // namespace

BleuCounts& BleuCounts::operator+=(const BleuCounts& other) {
  for (size_t n = 0; n < right.size(); ++n) {
    right[n] += other.right[n];
    said[n] += other.said[n];
  }
  words_said += other.words_said;
  words_expected += other.words_expected;
  return *this;
}

BleuCounts bleu_counts(const std::string& given, const std::string& expected, bool chinese) {
  const Words words = bleu_words(given, chinese), reference = bleu_words(expected, chinese);
  BleuCounts counts;
  counts.words_said = static_cast<int64_t>(words.size());
  counts.words_expected = static_cast<int64_t>(reference.size());
  for (size_t n = 1; n <= counts.said.size(); ++n) {
    const NgramCounts there = count_ngrams(reference, n);
    for (const auto& [ngram, count] : count_ngrams(words, n)) {
      counts.said[n - 1] += count;
      const auto found = there.find(ngram);
      if (found != there.end()) counts.right[n - 1] += std::min(count, found->second);
    }
  }
  return counts;
}

double bleu(const BleuCounts& counts, bool effective_order) {
  // Without any match (and so without a single word) there is no score to smooth.
  if (std::all_of(counts.right.begin(), counts.right.end(), [](int64_t c) { return c == 0; }))
    return 0;
  double log_sum = 0, smoothing = 1;
  size_t orders = 0;
  for (; orders < counts.said.size() && counts.said[orders] > 0; ++orders) {
    double right = static_cast<double>(counts.right[orders]);
    if (right == 0) {
      smoothing *= 2;
      right = 1 / smoothing;
    }
    log_sum += std::log(right / static_cast<double>(counts.said[orders]));
  }
  if (orders < counts.said.size() && !effective_order) return 0;
  const auto said = static_cast<double>(counts.words_said);
  const auto expected = static_cast<double>(counts.words_expected);
  const double brevity = said < expected ? std::exp(1 - expected / said) : 1.0;
  return brevity * std::exp(log_sum / static_cast<double>(orders));
}

}  // namespace ilora
