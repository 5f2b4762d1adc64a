// What families share in reading their files: functions that a family's reader calls, in the order
// it likes.
#pragma once

#include <functional>
#include <initializer_list>
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
  const char* epsilon_key = "rms_norm_eps";  // of folders
  bool layer_norm = false;                   // norms are LayerNorm
  bool norm_bias = false;                    // with a bias
  double rotary_base = 10000.0;
  double rotary_part = 1;  // of a head's columns that turn
  bool tied_embeddings = false;
  bool gelu = false;                          // the activation, and the only one
  const char* activation_key = "hidden_act";  // of folders
  bool one_rotary = true;                     // false: the family fills in `rotary`
  bool layer_types = false;                   // the family reads windows and layer_types
  // Of folders: q, k, v and o have biases where attention_bias says so, the maps of the feed-forward
  // where mlp_bias does; else such a key is refused.
  bool attention_bias = false, mlp_bias = false;
  bool unequal_heads = false;  // layers may differ in their heads, which the family reads
};

// A dense decoder: sizes, norm epsilon, rotary positions, tied head, and a default BlockConfig per
// layer, for the family to change where it differs. Refuses by name what a file may ask for and no
// block computes: another activation, attention that looks ahead, experts, biases that the family has
// no place for, quantised folders, other rotary scalings, a window that nobody reads.
void read_decoder(const FolderKeys& keys, ModelConfig& config, const DecoderDefaults& defaults);
void read_decoder(const GgufKeys& keys, ModelConfig& config, const DecoderDefaults& defaults);
// With the defaults of Llama.
void read_decoder(const FolderKeys& keys, ModelConfig& config);
void read_decoder(const GgufKeys& keys, ModelConfig& config);

// Every layer's maps have biases.
void add_biases(ModelConfig& config, std::initializer_list<Module> modules);
// Those of the modules whose bias is in a GGUF's first block, whose names are Llama's.
void add_biases_in_file(const GgufKeys& keys, ModelConfig& config,
                        std::initializer_list<Module> modules);
inline constexpr std::initializer_list<Module> kAttentionMaps = {Module::kQuery, Module::kKey,
                                                                 Module::kValue, Module::kOutput};

// The window (0: the model has none) of the layers that layer_types calls sliding; where it says
// nothing of those that `slides` names. Throws Error for a type that is neither sliding_attention
// nor full_attention, and for a sliding one without a window.
void read_windows(const FolderKeys& keys, ModelConfig& config, int64_t window,
                  const std::function<bool(int64_t layer)>& slides);
// The same of a GGUF's attention.sliding_window, and its sliding_window_pattern: for each layer
// whether it slides, or a number p, every p-th layer does not. Where it has no pattern, every
// `period`-th layer sees all; 0: none does.
void read_windows(const GgufKeys& keys, ModelConfig& config, int64_t period);

}  // namespace ilora
