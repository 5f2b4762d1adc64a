// Llama (Touvron et al. 2023) and whatever calls itself so: Llama 2 and 3, SmolLM2, TinyLlama,
// Falcon 3; in GGUF Mistral too. Its block is the one that BlockConfig describes by default.
#include "model/families/common.h"

namespace ilora {
namespace {

void read_folder(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, {.attention_bias = true, .mlp_bias = true});
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config);
  add_biases_in_file(keys, config, kAttentionMaps);
  add_biases_in_file(keys, config, {Module::kGate, Module::kUp, Module::kDown});
}

}  // namespace

extern const ModelFamily kLlama = {.name = "Llama",
                                   .model_type = "llama",
                                   .architecture = "llama",
                                   .names = {.interleaved_in_gguf = true},
                                   .from_folder = read_folder,
                                   .from_gguf = read_gguf};

}  // namespace ilora
