// What files say of rotary positions, and its scalings.
#pragma once

#include "model/config.h"
#include "model/families/keys.h"

namespace ilora {

// From config.json, whose layers all turn alike: rope_scaling or, where that is absent or empty,
// rope_parameters, with rope_theta and partial_rotary_factor inside or beside it, as transformers
// reads them (convert_rope_params_to_dict, 5.24). `base` and `part`, of a head's
// columns that turn: where a file names none. Sizes and context
// of the configuration are there; LongRoPE shortens the context to the one that its short divisors
// are for, since longer rows would turn all their positions otherwise. Throws Error(kUnsupported)
// naming a scaling that is not known, or parameters by type of layer.
RotarySpec read_rotary(const FolderKeys& keys, ModelConfig& config, double base, double part = 1);
// The same of one object of parameters.
RotarySpec read_rotary(const FolderKeys& keys, const FolderKeys& parameters, ModelConfig& config,
                       double base, double part = 1);
// What rope.scaling.yarn_log_multiplier means: converters write it in several senses.
enum class YarnLogMultiplier : uint8_t {
  kRefused,
  kSecondMagnitude,  // mscale_all_dim, beside an mscale of 1: what turns is divided by its magnitude
};
// From a GGUF's rope.* keys and the tensors rope_freqs and rope_factors_short.
RotarySpec read_rotary(const GgufKeys& keys, ModelConfig& config, double base,
                       YarnLogMultiplier multiplier = YarnLogMultiplier::kRefused);

}  // namespace ilora
