// Texts as words, the way the reference implementations of BLEU and SARI cut them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ilora {

using Words = std::vector<std::string>;

// White space as Python's str methods have it: Unicode's, and U+001C to U+001F.
bool is_python_space(char32_t character);

// Python's str.split(): cut at white space, no empty words.
Words split_words(std::string_view text);

// Python's str.rstrip().
std::string without_final_space(std::string_view text);

// WMT's tokenizer mteval-v13a, as sacreBLEU has it: words and punctuation apart, one space between.
std::string tokenize_13a(std::string_view text);
// sacreBLEU's "zh": each Chinese character alone, the rest like 13a's last step.
std::string tokenize_zh(std::string_view text);

// Harmonic mean of precision and recall of two texts that have `common` words in common; 0 where
// they have none.
double f1(double common, size_t given, size_t expected);

// How often each n-gram (n words joined by spaces) occurs.
using NgramCounts = std::map<std::string, int64_t>;
NgramCounts count_ngrams(const Words& words, size_t n);

}  // namespace ilora
