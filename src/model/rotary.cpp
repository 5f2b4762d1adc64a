#include "model/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tensor/scalar.h"

namespace ilora {

std::vector<float> llama3_divisors(const RotarySpec& spec, const Llama3Scaling& scaling) {
  std::vector<float> divisors;
  for (int64_t i = 0; i < spec.dims / 2; ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(spec.dims);
    const double wave = 2.0 * std::numbers::pi * std::pow(spec.base, exponent);
    double divisor = 1.0;
    if (wave > scaling.original_context / scaling.low_frequency_factor) {
      divisor = scaling.factor;
    } else if (wave > scaling.original_context / scaling.high_frequency_factor) {
      const double smooth = (scaling.original_context / wave - scaling.low_frequency_factor) /
                            (scaling.high_frequency_factor - scaling.low_frequency_factor);
      divisor = 1.0 / ((1.0 - smooth) / scaling.factor + smooth);
    }
    divisors.push_back(static_cast<float>(divisor));
  }
  return divisors;
}

std::vector<float> yarn_divisors(const RotarySpec& spec, const YarnScaling& scaling) {
  const auto dims = static_cast<double>(spec.dims);
  // The pair that turns so often within the original context.
  const auto pair_of = [&](double turns) {
    return dims * std::log(scaling.original_context / (turns * 2 * std::numbers::pi)) /
           (2 * std::log(spec.base));
  };
  double low = pair_of(scaling.beta_fast), high = pair_of(scaling.beta_slow);
  if (scaling.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dims - 1);
  if (low == high) high += 0.001;
  std::vector<float> divisors;
  for (int64_t i = 0; i < spec.dims / 2; ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    divisors.push_back(static_cast<float>(1.0 / (ramp / scaling.factor + (1.0 - ramp))));
  }
  return divisors;
}

double yarn_magnitude(double factor, double multiplier) {
  return factor <= 1 ? 1.0 : 0.1 * multiplier * std::log(factor) + 1.0;
}

double longrope_magnitude(double factor, double original_context) {
  return factor <= 1 ? 1.0 : std::sqrt(1.0 + std::log(factor) / std::log(original_context));
}

RotaryTable::RotaryTable(const RotarySpec& spec, int64_t context, DType state)
    : cos_(state, {context, spec.dims / 2}), sin_(state, {context, spec.dims / 2}) {
  const int64_t half = spec.dims / 2;
  const Tensor cosines = cos().reshaped({context * half}), sines = sin().reshaped({context * half});
  for (int64_t i = 0; i < half; ++i) {
    double frequency =
        std::pow(spec.base, -2.0 * static_cast<double>(i) / static_cast<double>(spec.dims));
    if (!spec.divisors.empty())
      frequency /= static_cast<double>(spec.divisors[static_cast<size_t>(i)]);
    for (int64_t p = 0; p < context; ++p) {
      const double angle = static_cast<double>(p) * frequency;
      write_scalar(cosines, p * half + i, spec.magnitude * std::cos(angle));
      write_scalar(sines, p * half + i, spec.magnitude * std::sin(angle));
    }
  }
}

Tensor RotaryTable::turning(Tensor x) const {
  x.shape[2] = 2 * cos_.view().shape[1];
  return x;
}

}  // namespace ilora
