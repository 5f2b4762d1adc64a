// Qwen3's dense models (Yang et al. 2025): a Llama whose heads of queries and keys are normed before
// they turn. Its upper layers may look back over a window. Its GGUF files keep the rows of q and k in
// order.
#include "model/families/qwen.h"

namespace ilora {
namespace {

void add_norms(ModelConfig& config) {
  for (BlockConfig& block : config.blocks) block.head_norm = HeadNorm::kHead;
}

void read_folder(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config,
               {.head_dim = 128, .context = 32768, .layer_types = true, .attention_bias = true});
  add_norms(config);
  read_qwen_windows(keys, config);
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config);
  add_norms(config);
}

}  // namespace

extern const ModelFamily kQwen3 = {.name = "Qwen3",
                                   .model_type = "qwen3",
                                   .architecture = "qwen3",
                                   .from_folder = read_folder,
                                   .from_gguf = read_gguf};

}  // namespace ilora
