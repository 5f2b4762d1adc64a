// How far adapters of one layout lie from each other, block by block: as vectors of factors, and as
// the updates B A that the model sees.
//
// Called by `ilora analyze distance` and `ilora analyze subspace`.
#pragma once

#include <vector>

#include "model/adapter.h"

namespace ilora {

struct Closeness {
  double distance = 0;  // Euclidean (of products: Frobenius)
  double cosine = 0;    // NaN where one of the two is 0
};

struct BlockCloseness {
  LoraBlock block;
  Closeness factors, products;
};

struct AdapterCloseness {
  Closeness factors, products;  // over all blocks together
  std::vector<BlockCloseness> blocks;
};

// Throws Error(kUnsupported) for adapters without LoRA blocks.
AdapterCloseness closeness(const Adapter& a, const Adapter& b);

// Principal angles, in degrees, the smallest first, between what two updates read (row spaces) and
// what they write (column spaces). Empty where an update is 0.
struct BlockAngles {
  LoraBlock block;
  std::vector<double> input, output;
  // Mean squared cosine: 1 for one space, about R/n for two unrelated ones in n dimensions.
  double input_overlap = 0, output_overlap = 0;
};
std::vector<BlockAngles> subspace_angles(const Adapter& a, const Adapter& b);

}  // namespace ilora
