// Qwen2 and Qwen2.5 (Yang et al. 2024): a Llama whose queries, keys and values have biases, and
// whose upper layers may look back over a window. Its GGUF files keep the rows of q and k in order.
#include "model/families/common.h"

namespace ilora {
namespace {

void add_biases(ModelConfig& config) {
  for (BlockConfig& block : config.blocks) {
    for (const Module m : {Module::kQuery, Module::kKey, Module::kValue})
      block.bias[static_cast<size_t>(m)] = true;
  }
}

// Which layers have the window: those that layer_types says, else those from max_window_layers on.
void read_windows(const FolderKeys& keys, ModelConfig& config) {
  if (!keys.boolean("use_sliding_window", false)) return;
  if (keys.is_null("sliding_window")) return;
  const int64_t window = keys.integer("sliding_window", 4096);
  const int64_t first = keys.integer("max_window_layers", 28);
  std::vector<std::string> types;
  if (keys.has("layer_types")) types = keys.texts("layer_types");
  for (size_t l = 0; l < config.blocks.size(); ++l) {
    const bool slides =
        l < types.size() ? types[l] == "sliding_attention" : static_cast<int64_t>(l) >= first;
    if (slides) config.blocks[l].window = window;
  }
}

void read_folder(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config);
  add_biases(config);
  read_windows(keys, config);
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config);
  add_biases(config);
}

}  // namespace

extern const ModelFamily kQwen2 = {.name = "Qwen2",
                                   .model_type = "qwen2",
                                   .architecture = "qwen2",
                                   .from_folder = read_folder,
                                   .from_gguf = read_gguf};

}  // namespace ilora
