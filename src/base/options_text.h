// How option values are written and described; shared by the files of options.h alone.
#pragma once

#include <string>

#include "base/options.h"

namespace ilora {

// A scalar as YAML reads it back as the same string: plain where that is safe, else in double
// quotes.
std::string yaml_scalar(const std::string& text);
std::string value_as_yaml(const OptionList::Target& target);
// What is allowed, for errors and help: "a number above 0, at most 1", "one of seq, er, ilora", "a
// list of whole numbers, each from 0 on".
std::string expectation(const OptionList::Target& target, const OptionRules& rules);

}  // namespace ilora
