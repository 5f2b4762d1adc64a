// What several runs of a method say together: mean and standard deviation.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "runs/score_matrix.h"

namespace ilora {

struct Spread {
  double mean = 0;
  std::optional<double> deviation;  // of a sample (n - 1); none for a single value
};
// `values` is not empty.
Spread spread_of(std::span<const double> values);

// Of a value of each run; nullopt where one of them lacks it, and of no runs.
template <class Runs, class Get>
std::optional<Spread> spread_of(const Runs& runs, const Get& get) {
  std::vector<double> values;
  for (const auto& run : runs) {
    const Score value = get(run);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values.empty() ? std::nullopt : std::optional(spread_of(values));
}

}  // namespace ilora
