// Porter's stemmer, with NLTK's changes: what ROUGE's "stemmer" is.
//
// M. F. Porter, "An algorithm for suffix stripping" (Program 14(3), 1980), its later additions
// ("bli", "logi") and those of NLTK's default mode, which the package rouge-score uses.
#pragma once

#include <string>

namespace ilora {

// The stem of a word of lower-case ASCII letters and digits.
std::string porter_stem(const std::string& word);

}  // namespace ilora
