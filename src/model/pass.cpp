#include "model/pass.h"

#include <algorithm>

#include "base/error.h"

namespace ilora {
namespace {

// Segments whose rows must run together: a segment and the teachers it points to, as lists of
// segment indices.
std::vector<std::vector<size_t>> linked_groups(const Pass& pass) {
  std::vector<size_t> group_of(pass.segments.size());
  for (size_t s = 0; s < group_of.size(); ++s) group_of[s] = s;
  for (size_t s = 0; s < group_of.size(); ++s) {
    const int teacher = pass.segments[s].consistency.teacher;
    if (pass.segments[s].consistency.weight == 0 || teacher < 0) continue;
    const auto t = static_cast<size_t>(teacher);
    ILORA_CHECK(t < group_of.size() && pass.segments[t].rows.size() == pass.segments[s].rows.size(),
                "segment {} and its teacher {} must hold the same rows", s, t);
    const size_t low = std::min(group_of[s], group_of[t]);
    const size_t high = std::max(group_of[s], group_of[t]);
    std::replace(group_of.begin(), group_of.end(), high, low);
  }
  std::vector<std::vector<size_t>> groups(pass.segments.size());
  for (size_t s = 0; s < group_of.size(); ++s) groups[group_of[s]].push_back(s);
  std::erase_if(groups, [](const auto& g) { return g.empty(); });
  return groups;
}

}  // namespace

bool Segment::has_gradient() const {
  return std::any_of(uses.begin(), uses.end(),
                     [](const AdapterUse& use) { return static_cast<bool>(use.gradient); });
}

std::span<const int32_t> Segment::prefix(int64_t row) const {
  if (prefixes.empty()) return {};
  ILORA_CHECK(prefixes.size() == 1 || prefixes.size() == rows.size(),
              "{} lists of soft prompts for {} rows", prefixes.size(), rows.size());
  return prefixes[prefixes.size() == 1 ? 0 : static_cast<size_t>(row)];
}

int64_t Segment::fed_length(int64_t row) const {
  return static_cast<int64_t>(prefix(row).size()) + rows[static_cast<size_t>(row)]->length();
}

Denominators count_denominators(const Pass& pass, const LossOptions& options) {
  Denominators count;
  for (const Segment& segment : pass.segments) {
    const auto rows = static_cast<double>(segment.rows.size());
    if (segment.consistency.weight != 0) count.consistency += rows;
    if (segment.cross_entropy == 0) continue;
    if (options.reduction == LossReduction::kSequence) {
      count.cross_entropy += rows;
    } else {
      for (const Row* row : segment.rows) {
        count.cross_entropy += static_cast<double>(row->labels(options.train_on_prompt));
      }
    }
  }
  return count;
}

std::vector<MicroPass> cut_pass(const Pass& pass, int64_t max_tokens) {
  std::vector<MicroPass> cuts;
  int64_t tokens = 0;
  const auto open = [&] {
    cuts.emplace_back().ranges.resize(pass.segments.size());
    tokens = 0;
  };
  open();
  for (const std::vector<size_t>& group : linked_groups(pass)) {
    const auto rows = static_cast<int64_t>(pass.segments[group.front()].rows.size());
    for (int64_t r = 0; r < rows; ++r) {
      int64_t cost = 0;
      for (const size_t s : group) cost += pass.segments[s].fed_length(r);
      if (cost > max_tokens) {
        throw Error(
            ErrorKind::kData,
            fmt::format("[pass] a row of {} tokens under {} adapter(s) does not fit into {} tokens",
                        cost / static_cast<int64_t>(group.size()), group.size(), max_tokens),
            "Raise engine.max_tokens or lower data.max_length.");
      }
      if (tokens > 0 && tokens + cost > max_tokens) open();
      tokens += cost;
      for (const size_t s : group) {
        MicroPass::Range& range = cuts.back().ranges[s];
        if (range.begin == range.end) range.begin = r;
        range.end = r + 1;
      }
    }
  }
  return cuts;
}

}  // namespace ilora
