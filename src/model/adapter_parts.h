// An adapter out of what a file holds of single maps, where maps may differ in rank and scale or
// have none. Called by the readers of PEFT folders (peft.cpp) and GGUF LoRA files (gguf_lora.cpp).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/adapter.h"

namespace ilora {

// W gets `scaling` * b a.
struct LoraPart {
  int64_t layer = 0;
  Module module = Module::kQuery;
  int64_t rank = 0;
  double scaling = 1;
  std::vector<float> a;  // (rank,in)
  std::vector<float> b;  // (out,rank)
};

// An adapter has one rank and one scale: those of `options`, whose rank is the largest of the parts.
// A map of lower rank is filled up with zeros; one of another scale has the quotient in B. A map
// that no part names is zero. What training keeps from zeros: their gradients are zero too, so they
// stay. Throws Error(kFormat) naming `where` for a scale that is not finite, or that a scale of 0
// would have to make.
Adapter adapter_of_parts(const ModelConfig& config, const LoraOptions& options,
                         std::span<const LoraPart> parts, const std::string& where);

// The other way: B (out,R) of a block.
std::vector<float> lora_b(const Adapter& adapter, const LoraBlock& block);

}  // namespace ilora
