// A template as text and tags, with the white space that Jinja takes away around them (trim marks,
// trim_blocks, lstrip_blocks). Internal to src/text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ilora::jinja {

struct Piece {
  char kind;  // 't' text, '{' output, '%' statement
  std::string text;
};

// Throws Error(kUnsupported) with `where` for a tag without its end.
std::vector<Piece> pieces_of(std::string_view source, const std::string& where);

}  // namespace ilora::jinja
