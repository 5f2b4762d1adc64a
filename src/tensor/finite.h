#pragma once

#include <cmath>
#include <limits>
#include <span>

namespace ilora {

// No NaN and no infinity among them. Written so that a compiler makes vector code of it.
inline bool all_finite(std::span<const float> values) {
  bool finite = true;
  for (const float x : values) finite &= std::abs(x) <= std::numeric_limits<float>::max();
  return finite;
}

}  // namespace ilora
