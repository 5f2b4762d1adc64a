// Phi-3 mini and medium (Abdin et al. 2024), Phi-3.5 and Phi-4 mini: a Llama whose q, k and v are one
// map, gate and up another. Heads may turn in part (Phi-4 mini), rotary positions may be LongRoPE's,
// and layers may look back over a window. GGUF files keep the rows of q and k in order.
#include "model/families/common.h"

namespace ilora {
namespace {

void read_folder(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, {.context = 4096, .norm_epsilon = 1e-5, .layer_types = true});
  if (keys.has("layer_types")) refuse(keys.where(), "layer_types of a Phi-3");
  for (BlockConfig& block : config.blocks) block.window = keys.integer("sliding_window", 0);
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, {.layer_types = true});
  for (BlockConfig& block : config.blocks)
    block.window = keys.integer("attention.sliding_window", 0);
}

}  // namespace

extern const ModelFamily kPhi3 = {.name = "Phi-3",
                                  .model_type = "phi3",
                                  .architecture = "phi3",
                                  .partial_rotary = true,
                                  .maps = {.joined_attention = true, .joined_feed_forward = true},
                                  .names = {.long_rotary_in_gguf = true},
                                  .from_folder = read_folder,
                                  .from_gguf = read_gguf};

}  // namespace ilora
