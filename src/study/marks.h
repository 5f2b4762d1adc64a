// Generated text inside of a page that people write. Called by cli/publish.cpp (--into).
#pragma once

#include <filesystem>
#include <string>

namespace ilora {

// A file around what stands between its lines "<!-- begin: NAME -->" and "<!-- end: NAME -->",
// which belong to the two parts. Throws Error(kFormat) where they are not there.
struct Marks {
  std::string before, after;
};
Marks find_marks(const std::filesystem::path& file, const std::string& name);
// Puts `text` there.
void replace_between_marks(const std::filesystem::path& file, const std::string& name,
                           const std::string& text);

}  // namespace ilora
