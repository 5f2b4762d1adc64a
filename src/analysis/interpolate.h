// Points between two adapters of one layout: their factors interpolated, or their products.
//
// Called by `ilora analyze` and analysis/path.cpp.
#pragma once

#include <string>

#include "model/adapter.h"

namespace ilora {

enum class PathSpace : uint8_t {
  kFactors,  // A and B, value by value, as the I-LoRA paper does
  kProduct,  // B A, cut to rank r by its singular values; soft prompts value by value
};

// Throws Error(kData) naming both where the adapters have different layouts or scales.
void require_same_layout(const Adapter& a, const std::string& name_a, const Adapter& b,
                         const std::string& name_b);

// out = (1 - alpha) * a + alpha * b. At alpha 0 and 1 it has the ends' own bits.
void interpolate_factors(Adapter& out, const Adapter& a, const Adapter& b, double alpha);
// The same of every block's product; returns the largest share of a product that the cut to rank r
// drops, |X - X_r| / |X|.
double interpolate_products(Adapter& out, const Adapter& a, const Adapter& b, double alpha);

}  // namespace ilora
