// SARI: how well a simplification keeps, deletes and adds words of its source.
//
// W. Xu et al., "Optimizing statistical machine translation for text simplification" (TACL 2016).
// Agrees with Hugging Face's `sari`: lower case, 13a words, n-grams up to 4, 0/0 = 1, the corrected
// recall of kept n-grams.
#pragma once

#include <string>

namespace ilora {

// 0..1, with one reference.
double sari(const std::string& source, const std::string& given, const std::string& expected);

}  // namespace ilora
