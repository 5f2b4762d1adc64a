#include "base/random.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace ilora {

uint64_t Random::below(uint64_t counter, uint64_t bound) const {
  // The high half of a 64x64 product: unbiased to 2^-64 * bound.
  return static_cast<uint64_t>((static_cast<__uint128_t>(bits(counter)) * bound) >> 64);
}

double Random::normal(uint64_t counter) const {
  const double u = 1.0 - uniform(2 * counter);  // (0, 1]
  const double angle = 2.0 * std::numbers::pi * uniform(2 * counter + 1);
  return std::sqrt(-2.0 * std::log(u)) * std::cos(angle);
}

std::vector<int64_t> Random::permutation(int64_t count) const {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = count - 1; i > 0; --i) {
    const auto j =
        static_cast<int64_t>(below(static_cast<uint64_t>(i), static_cast<uint64_t>(i) + 1));
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(j)]);
  }
  return order;
}

}  // namespace ilora
