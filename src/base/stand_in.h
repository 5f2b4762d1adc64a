// What lies in a file's place where it was not obtained: the pointer that Git LFS leaves, or the page that a server sent.
// Called by readers that do not find their own kind of file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ilora {

struct StandIn {
  std::string name, hint;  // "a pointer of Git LFS", and what to do
};

// By the file's first bytes; none for any other content.
std::optional<StandIn> stand_in(std::string_view begin);
// Throws Error(kFormat), as "[reader] expected `what`, got …", where it is one.
void refuse_stand_in(std::string_view begin, const char* reader, const char* what,
                     const std::string& where);

}  // namespace ilora
