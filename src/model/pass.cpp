#include "model/pass.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "model/losses/loss_rules.h"

namespace ilora {
namespace {

// Segments whose rows must run together: a segment and the teachers it points to, as lists of
// segment indices.
std::vector<std::vector<size_t>> linked_groups(const Pass& pass) {
  std::vector<size_t> group_of(pass.segments.size());
  for (size_t s = 0; s < group_of.size(); ++s) group_of[s] = s;
  for (size_t s = 0; s < group_of.size(); ++s) {
    for (const Loss& loss : pass.segments[s].losses) {
      if (loss.weight == 0 || loss.teacher < 0) continue;
      const auto t = static_cast<size_t>(loss.teacher);
      ILORA_CHECK(
          t < group_of.size() && pass.segments[t].rows.size() == pass.segments[s].rows.size(),
          "segment {} and its teacher {} must hold the same rows", s, t);
      const size_t low = std::min(group_of[s], group_of[t]);
      const size_t high = std::max(group_of[s], group_of[t]);
      std::replace(group_of.begin(), group_of.end(), high, low);
    }
  }
  std::vector<std::vector<size_t>> groups(pass.segments.size());
  for (size_t s = 0; s < group_of.size(); ++s) groups[group_of[s]].push_back(s);
  std::erase_if(groups, [](const auto& g) { return g.empty(); });
  return groups;
}

// What cannot be parted: a row, or the rows of linked segments with one index.
struct Unit {
  const std::vector<size_t>* group;
  int64_t row, tokens;
  double at;  // how far in its segments
};

// The tokens of a unit that decide the memory: those with gradient, which every layer keeps. A
// teacher's copy is kept for one layer and not counted.
int64_t counted_tokens(const Pass& pass, const std::vector<size_t>& group, int64_t row) {
  int64_t all = 0, with_gradient = 0;
  for (const size_t s : group) {
    const int64_t length = pass.segments[s].fed_length(row);
    all += length;
    if (pass.segments[s].has_gradient()) with_gradient += length;
  }
  return with_gradient > 0 ? with_gradient : all;
}

// Units of all groups mixed evenly, so that no micro-pass has all the teacher's copies.
std::vector<Unit> units_of(const Pass& pass, const std::vector<std::vector<size_t>>& groups) {
  std::vector<Unit> units;
  for (const std::vector<size_t>& group : groups) {
    const auto rows = static_cast<int64_t>(pass.segments[group.front()].rows.size());
    for (int64_t r = 0; r < rows; ++r) {
      units.push_back({&group, r, counted_tokens(pass, group, r),
                       (static_cast<double>(r) + 0.5) / static_cast<double>(rows)});
    }
  }
  std::stable_sort(units.begin(), units.end(),
                   [](const Unit& a, const Unit& b) { return a.at < b.at; });
  return units;
}

// The smallest limit that cuts `units` into as few micro-passes as max_tokens does: the largest
// one decides the memory, and few rows left over for the last would run far below the peak.
int64_t even_limit(const std::vector<Unit>& units, int64_t max_tokens) {
  const auto passes_under = [&](int64_t limit) {
    int64_t passes = 0, tokens = limit;
    for (const Unit& unit : units) {
      if (tokens + unit.tokens > limit) {
        ++passes;
        tokens = 0;
      }
      tokens += unit.tokens;
    }
    return passes;
  };
  int64_t low = 1;
  for (const Unit& unit : units) low = std::max(low, unit.tokens);
  int64_t high = std::max(low, max_tokens);
  const int64_t fewest = passes_under(high);
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (passes_under(middle) > fewest) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return high;
}

}  // namespace

bool Segment::has_gradient() const {
  return std::any_of(uses.begin(), uses.end(),
                     [](const AdapterUse& use) { return static_cast<bool>(use.gradient); });
}

std::span<const int32_t> Segment::prefix(int64_t row) const {
  if (prefixes.empty()) return {};
  ILORA_CHECK(prefixes.size() == 1 || prefixes.size() == rows.size(), "{} prefixes for {} rows",
              prefixes.size(), rows.size());
  return prefixes[prefixes.size() == 1 ? 0 : static_cast<size_t>(row)].prompts;
}

int64_t Segment::fed_length(int64_t row) const {
  return static_cast<int64_t>(prefix(row).size()) + rows[static_cast<size_t>(row)]->length();
}

int64_t trained_tokens(const Pass& pass) {
  int64_t tokens = 0;
  for (const Segment& segment : pass.segments) {
    if (!segment.has_gradient()) continue;
    for (const Row* row : segment.rows) tokens += row->length();
  }
  return tokens;
}

Segment cross_entropy_segment(std::vector<const Row*> rows, Uses uses, const LossOptions& options) {
  Segment segment;
  segment.rows = std::move(rows);
  segment.uses = std::move(uses);
  segment.losses = {
      {.kind = LossKind::kCrossEntropy, .parameters = {.reduction = options.reduction}}};
  segment.labels = options.labels;
  return segment;
}

Denominators count_denominators(const Pass& pass) {
  Denominators count;
  for (const Segment& segment : pass.segments) {
    for (const Loss& loss : segment.losses) {
      if (loss.weight != 0) count[loss.kind] += loss_rules(loss.kind).denominator(segment, loss);
    }
  }
  return count;
}

std::vector<MicroPass> cut_pass(const Pass& pass, int64_t max_tokens) {
  const std::vector<std::vector<size_t>> groups = linked_groups(pass);
  const std::vector<Unit> units = units_of(pass, groups);
  const int64_t limit = even_limit(units, max_tokens);
  std::vector<MicroPass> cuts;
  int64_t tokens = 0;
  for (const Unit& unit : units) {
    if (cuts.empty() || tokens + unit.tokens > limit) {
      cuts.emplace_back().ranges.resize(pass.segments.size());
      tokens = 0;
    }
    tokens += unit.tokens;
    for (const size_t s : *unit.group) {
      MicroPass::Range& range = cuts.back().ranges[s];
      if (range.begin == range.end) range.begin = unit.row;
      range.end = unit.row + 1;
    }
  }
  return cuts;
}

}  // namespace ilora
