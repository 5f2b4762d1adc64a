// ROUGE-L: the longest common subsequence of words, as an F-measure.
//
// C.-Y. Lin, "ROUGE: a package for automatic evaluation of summaries" (2004). Agrees with the
// package rouge-score ("rougeL"): words are runs of ASCII letters and digits in lower case, so text
// in other scripts has none, and its score is 0.
#pragma once

#include <string>

namespace ilora {

// 0..1; 0 where either text has no words. `stemmed`: words of more than three characters are
// compared by their Porter stems.
double rouge_l(const std::string& given, const std::string& expected, bool stemmed);

}  // namespace ilora
