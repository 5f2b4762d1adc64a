#include "eval/measures/sari.h"

#include <algorithm>

#include "eval/measures/words.h"
#include "text/utf8.h"

namespace ilora {
namespace {

int64_t count_of(const NgramCounts& counts, const std::string& ngram) {
  const auto found = counts.find(ngram);
  return found == counts.end() ? 0 : found->second;
}

// x of y, where nothing of nothing is all of it.
double share(double x, double y) {
  return y > 0 ? x / y : 1.0;
}

double harmonic_mean(double a, double b) {
  return a + b > 0 ? 2 * a * b / (a + b) : 0.0;
}

// F1 of what is kept: n-grams of the source that the text has too, right where the reference has
// them.
double kept(const NgramCounts& source, const NgramCounts& given, const NgramCounts& expected) {
  double precision = 0, distinct = 0, right = 0, wanted = 0;
  for (const auto& [ngram, count] : source) {
    const int64_t reference = count_of(expected, ngram);
    const int64_t keeps = std::min(count, count_of(given, ngram));
    const int64_t good = std::min(keeps, reference);
    wanted += static_cast<double>(std::min(count, reference));
    right += static_cast<double>(good);
    if (keeps == 0) continue;
    distinct += 1;
    precision += static_cast<double>(good) / static_cast<double>(keeps);
  }
  return harmonic_mean(share(precision, distinct), share(right, wanted));
}

// Precision of what is deleted.
double deleted(const NgramCounts& source, const NgramCounts& given, const NgramCounts& expected) {
  double precision = 0, distinct = 0;
  for (const auto& [ngram, count] : source) {
    const int64_t gone = count - count_of(given, ngram);
    if (gone <= 0) continue;
    const int64_t good = std::max<int64_t>(0, gone - count_of(expected, ngram));
    distinct += 1;
    precision += static_cast<double>(good) / static_cast<double>(gone);
  }
  return share(precision, distinct);
}

// F1 of what is added, each n-gram counted once.
double added(const NgramCounts& source, const NgramCounts& given, const NgramCounts& expected) {
  double right = 0, said = 0, wanted = 0;
  for (const auto& [ngram, count] : given) {
    if (source.contains(ngram)) continue;
    said += 1;
    right += expected.contains(ngram) ? 1 : 0;
  }
  for (const auto& [ngram, count] : expected) wanted += source.contains(ngram) ? 0 : 1;
  return harmonic_mean(share(right, said), share(right, wanted));
}

// A text without words is one empty word, as in the reference implementation.
Words sari_words(const std::string& text) {
  Words words = split_words(tokenize_13a(lower_utf8(text)));
  if (words.empty()) words.emplace_back();
  return words;
}

}  // namespace

double sari(const std::string& source, const std::string& given, const std::string& expected) {
  const Words from = sari_words(source), said = sari_words(given), right = sari_words(expected);
  double sum = 0;
  for (size_t n = 1; n <= 4; ++n) {
    const NgramCounts s = count_ngrams(from, n), g = count_ngrams(said, n),
                      e = count_ngrams(right, n);
    sum += kept(s, g, e) + deleted(s, g, e) + added(s, g, e);
  }
  return sum / 12;
}

}  // namespace ilora
