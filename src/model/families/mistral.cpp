// Mistral (Jiang et al. 2023): a Llama whose layers look back over a window. Its GGUF files call
// themselves llama and have no window.
#include "model/families/common.h"

namespace ilora {
namespace {

constexpr int64_t kWindow = 4096;  // where config.json has no sliding_window; null: none

void read(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, {.layer_types = true});
  // transformers 5.24 gives all layers the window whatever this says.
  if (keys.has("layer_types")) refuse(keys.where(), "layer_types of a Mistral");
  if (keys.is_null("sliding_window")) return;
  for (BlockConfig& block : config.blocks) block.window = keys.integer("sliding_window", kWindow);
}

}  // namespace

extern const ModelFamily kMistral = {.name = "Mistral",
                                     .model_type = "mistral",
                                     .converts_to = "llama",
                                     .names = {.interleaved_in_gguf = true},
                                     .from_folder = read};

}  // namespace ilora
