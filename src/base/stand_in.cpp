#include "base/stand_in.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"

namespace ilora {
namespace {

bool begins_with(std::string_view text, std::string_view lower) {
  return text.size() >= lower.size() &&
         std::ranges::equal(text.substr(0, lower.size()), lower, {}, [](char c) {
           return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
         });
}

}  // namespace

std::optional<StandIn> stand_in(std::string_view begin) {
  if (begin.starts_with("version https://git-lfs"))
    return StandIn{"a pointer of Git LFS",
                   "Its content was not obtained: git lfs pull, in its folder."};
  begin.remove_prefix(std::min(begin.find_first_not_of(" \t\r\n"), begin.size()));
  constexpr std::array<std::string_view, 2> kPages = {"<!doctype html", "<html"};
  if (std::ranges::any_of(kPages, [&](std::string_view page) { return begins_with(begin, page); }))
    return StandIn{
        "a web page",
        "The download brought a page in its place; open it to see why, and obtain the file again."};
  return std::nullopt;
}

void refuse_stand_in(std::string_view begin, const char* reader, const char* what,
                     const std::string& where) {
  const auto found = stand_in(begin);
  if (!found) return;
  throw Error(ErrorKind::kFormat,
              fmt::format("[{}] expected {}, got {} ({})", reader, what, found->name, where),
              found->hint);
}

}  // namespace ilora
