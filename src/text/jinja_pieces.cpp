#include "text/jinja_pieces.h"

#include <algorithm>

#include "text/jinja.h"

namespace ilora::jinja {
namespace {

// The end of the tag that begins before `at`, whose texts may hold anything.
size_t end_of_tag(std::string_view s, size_t at, std::string_view closing,
                  const std::string& where) {
  for (char quote = 0; at < s.size(); ++at) {
    if (quote != 0) {
      if (s[at] == '\\') {
        ++at;
      } else if (s[at] == quote) {
        quote = 0;
      }
    } else if (closing != "#}" && (s[at] == '\'' || s[at] == '"')) {
      quote = s[at];
    } else if (s.substr(at).starts_with(closing)) {
      return at;
    }
  }
  refuse("a tag without its end", where);
}

// lstrip_blocks: spaces of the line that a block begins on. `fresh`: the text begins a line.
void trim_line(std::string& text, bool fresh) {
  const size_t end = text.find_last_not_of(" \t");
  if (end == std::string::npos) {
    if (fresh) text.clear();
  } else if (text[end] == '\n') {
    text.erase(end + 1);
  }
}

}  // namespace

std::vector<Piece> pieces_of(std::string_view s, const std::string& where) {
  constexpr const char* kSpaces = " \t\r\n";
  std::vector<Piece> pieces;
  if (s.ends_with('\n')) s.remove_suffix(1);
  bool trim_all = false, trim_newline = false;  // of the text to come
  for (size_t at = 0; at < s.size();) {
    size_t open = at;
    while (open < s.size() &&
           !(s[open] == '{' && open + 1 < s.size() &&
             std::string_view("{%#").find(s[open + 1]) != std::string_view::npos))
      ++open;
    std::string text(s.substr(at, open - at));
    if (trim_all) text.erase(0, std::min(text.find_first_not_of(kSpaces), text.size()));
    bool fresh = at == 0;
    if (trim_newline && text.starts_with('\n')) {
      text.erase(0, 1);
      fresh = true;
    }
    const bool tag = open < s.size(), minus = tag && s.substr(open + 2).starts_with('-');
    const bool plus = tag && s.substr(open + 2).starts_with('+');
    if (minus) {
      text.erase(text.find_last_not_of(kSpaces) + 1);
    } else if (tag && s[open + 1] != '{' && !plus) {
      trim_line(text, fresh);
    }
    if (!text.empty()) pieces.push_back({'t', text});
    if (!tag) break;
    const char kind = s[open + 1];
    const std::string closing = kind == '{' ? "}}" : std::string(1, kind) + "}";
    const size_t begin = open + 2 + (minus || plus ? 1 : 0);
    const size_t end = end_of_tag(s, begin, closing, where);
    trim_all = end > begin && s[end - 1] == '-';
    trim_newline = kind != '{' && !trim_all;
    if (kind != '#')
      pieces.push_back({kind, std::string(s.substr(begin, end - begin - (trim_all ? 1 : 0)))});
    at = end + 2;
  }
  return pieces;
}

}  // namespace ilora::jinja
