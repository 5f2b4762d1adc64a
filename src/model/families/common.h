// What families share in reading their files: functions that a family's reader calls, in the order
// it likes.
#pragma once

#include <functional>
#include <string>

#include "model/families/family.h"

namespace ilora {

// Throws Error(kUnsupported): `what` is not computed, or not verified. `hint` says what is known.
[[noreturn]] void refuse(const std::string& where, const std::string& what,
                         const std::string& hint = {});

// Throws Error(kFormat) where a size is none, or more than any model's. To be called before anything
// is made of a size.
void require_sizes(const ModelConfig& config, const std::string& where);

// What a family's files mean where they say nothing, and what its reader takes care of itself.
struct DecoderDefaults {
  int64_t head_dim = 0;  // 0: the width divided by the heads
  int64_t context = 2048;
  double norm_epsilon = 1e-6;
  double rotary_base = 10000.0;
  bool tied_embeddings = false;
  bool gelu = false;         // the gate's activation, and the only one
  bool one_rotary = true;    // false: the family fills in `rotary`
  bool layer_types = false;  // the family reads windows and layer_types
};

// A dense decoder: sizes, norm epsilon, rotary positions, tied head, and a default BlockConfig per
// layer, for the family to change where it differs. Refuses by name what a file may ask for and no
// block computes: another activation, attention that looks ahead, experts, biases, quantised
// folders, other rotary scalings, a window that nobody reads.
void read_decoder(const FolderKeys& keys, ModelConfig& config, const DecoderDefaults& defaults);
void read_decoder(const GgufKeys& keys, ModelConfig& config, const DecoderDefaults& defaults);
// With the defaults of Llama.
void read_decoder(const FolderKeys& keys, ModelConfig& config);
void read_decoder(const GgufKeys& keys, ModelConfig& config);

// The window (0: the model has none) of the layers that layer_types calls sliding; where it says
// nothing of those that `slides` names. Throws Error for a type that is neither sliding_attention
// nor full_attention, and for a sliding one without a window.
void read_windows(const FolderKeys& keys, ModelConfig& config, int64_t window,
                  const std::function<bool(int64_t layer)>& slides);

}  // namespace ilora
