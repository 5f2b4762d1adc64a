// Qwen2 and Qwen2.5 (Yang et al. 2024): a Llama whose queries, keys and values have biases, and
// whose upper layers may look back over a window. Its GGUF files keep the rows of q and k in order.
#include "model/families/qwen.h"

namespace ilora {
namespace {

constexpr std::initializer_list<Module> kBiased = {Module::kQuery, Module::kKey, Module::kValue};

void read_folder(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, {.layer_types = true});
  add_biases(config, kBiased);
  read_qwen_windows(keys, config);
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config);
  add_biases(config, kBiased);
}

}  // namespace

void read_qwen_windows(const FolderKeys& keys, ModelConfig& config) {
  const bool on = keys.boolean("use_sliding_window", false) && !keys.is_null("sliding_window");
  const int64_t window = on ? keys.integer("sliding_window", 4096) : 0;
  const int64_t first = keys.integer("max_window_layers", 28);
  read_windows(keys, config, window, [&](int64_t l) { return window > 0 && l >= first; });
}

extern const ModelFamily kQwen2 = {.name = "Qwen2",
                                   .model_type = "qwen2",
                                   .architecture = "qwen2",
                                   .from_folder = read_folder,
                                   .from_gguf = read_gguf};

}  // namespace ilora
