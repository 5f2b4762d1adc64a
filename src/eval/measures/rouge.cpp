#include "eval/measures/rouge.h"

#include "eval/measures/lcs.h"
#include "eval/measures/porter.h"
#include "eval/measures/words.h"
#include "text/utf8.h"

namespace ilora {
namespace {

Words rouge_words(const std::string& text, bool stemmed) {
  Words words;
  std::string word;
  for (const char c : lower_utf8(text) + " ") {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      word += c;
    } else if (!word.empty()) {
      words.push_back(stemmed && word.size() > 3 ? porter_stem(word) : word);
      word.clear();
    }
  }
  return words;
}

}  // namespace

double rouge_l(const std::string& given, const std::string& expected, bool stemmed) {
  const Words said = rouge_words(given, stemmed);
  const Words right = rouge_words(expected, stemmed);
  const auto common = static_cast<double>(longest_common_subsequence(right, said));
  return f1(common, said.size(), right.size());
}

}  // namespace ilora
