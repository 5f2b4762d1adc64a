// What a table offers, for a sentence: "fast, slow".
//
// A view of the standard library would do; clang 14 (Debian 12), with which the thread sanitizer
// and the fuzz targets are built, cannot compile libstdc++ 12's.
#pragma once

#include <fmt/ranges.h>

#include <functional>
#include <string>
#include <vector>

namespace ilora {

// What `projection` (a member, or a function) gives of each element, in order, with commas between.
template <class Range, class Projection>
std::string listed(const Range& range, Projection projection) {
  std::vector<std::string> items;
  for (const auto& element : range) items.emplace_back(std::invoke(projection, element));
  return fmt::format("{}", fmt::join(items, ", "));
}

}  // namespace ilora
