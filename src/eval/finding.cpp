#include "eval/finding.h"

#include <fmt/ranges.h>

namespace ilora {

void FoundRows::add(Split split, const Example& row, size_t place, const std::string& detail) {
  constexpr size_t kShownRows = 3;
  ++count_;
  if (count_ > kShownRows) return;
  const auto own = places_.find(split);
  const std::string where = own == places_.end() ? fmt::format("{}.json row {}", split_name(split),
                                                               row_number(row, place))
                                                 : own->second.at(place);
  shown_.push_back(detail.empty() ? where : fmt::format("{}: {}", where, detail));
}

void FoundRows::report(std::vector<Finding>& findings, bool error, const std::string& what) const {
  if (count_ == 0) return;
  findings.push_back({error, fmt::format("{} {} ({}{})", count_, what, fmt::join(shown_, ", "),
                                         count_ > shown_.size() ? ", …" : "")});
}

}  // namespace ilora
