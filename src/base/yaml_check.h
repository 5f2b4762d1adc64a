// What a YAML text may hold before the parser sees it.
//
// yaml-cpp 0.7 never ends on some tags ("!a, b") and takes all memory meanwhile; aliases can make a
// kilobyte stand for gigabytes; and it walks through nested lists recursively. Configurations and
// task files need none of it: they are maps and lists of plain, quoted and block texts.
#pragma once

#include <string>
#include <string_view>

namespace ilora {

inline constexpr size_t kYamlBytes = 1 << 20;
inline constexpr size_t kYamlColumns = 200;  // of indentation
inline constexpr size_t kYamlBrackets = 64;  // inside each other

// Throws Error(kUsage), naming `where` and the line, at a tag, anchor, alias, directive, complex
// key, control character, or more than the above. What a quoted or block text or a comment holds
// is free. Linear in the text's size.
void check_yaml(std::string_view text, const std::string& where);

}  // namespace ilora
