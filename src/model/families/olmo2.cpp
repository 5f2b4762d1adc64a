// OLMo 2 (OLMo team 2024): norms stand behind attention and feed-forward instead of before them, and
// queries and keys are normed over all heads together. GGUF files keep the rows of q and k in order.
#include "model/families/common.h"

namespace ilora {
namespace {

void move_norms(ModelConfig& config) {
  for (BlockConfig& block : config.blocks) {
    block.pre_norms = false;
    block.post_norms = true;
    block.head_norm = HeadNorm::kWidth;
  }
}

void read_folder(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, {.norm_epsilon = 1e-5});
  move_norms(config);
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config);
  move_norms(config);
}

}  // namespace

extern const ModelFamily kOlmo2 = {.name = "OLMo 2",
                                   .model_type = "olmo2",
                                   .architecture = "olmo2",
                                   .from_folder = read_folder,
                                   .from_gguf = read_gguf};

}  // namespace ilora
