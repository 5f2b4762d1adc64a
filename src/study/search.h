// Which values of options a sweep tries. Called by `ilora sweep`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ilora {

// One option and what it may be: values to choose from, or a range to draw from.
struct SearchDimension {
  std::string key;
  std::vector<std::string> values;
  double low = 0, high = 0;  // where there are no values
  bool logarithmic = false;  // equally likely in every decade
  bool whole = false;
};

// "train.learning_rate=1e-3,2e-3" (a list of lists: "lora.targets=[q_proj],[q_proj,v_proj]").
SearchDimension parse_grid(std::string_view text);
// "train.learning_rate=1e-4:1e-2:log", "er.memory_size=50:500" (whole where both ends are written
// so). Both throw Error(kUsage).
SearchDimension parse_range(std::string_view text);

// "train.learning_rate=1e-3" for each dimension.
using SearchPoint = std::vector<std::string>;

// At most `trials` points (0: all), without repetition. Lists alone give their whole product in
// order, or a random part of it in the same order; a range makes every point a random draw, and
// `trials` is needed (programmer error otherwise). A function of its arguments: a dimension draws
// the same values whatever stands beside it. Without dimensions there is one point.
std::vector<SearchPoint> search_points(const std::vector<SearchDimension>& dimensions,
                                       int64_t trials, uint64_t seed);
// How many points the lists have in all; 0 where there is a range: any number.
int64_t search_size(const std::vector<SearchDimension>& dimensions);

}  // namespace ilora
