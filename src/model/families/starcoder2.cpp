// StarCoder 2 (Lozhkov et al. 2024): LayerNorms, biases of all maps, and a feed-forward of two maps with
// GELU between. Layers may look back over a window, which its GGUF files leave out. These keep the rows
// of q and k in order.
#include "model/families/common.h"

namespace ilora {
namespace {

constexpr std::initializer_list<Module> kAll = {Module::kQuery,  Module::kKey, Module::kValue,
                                                Module::kOutput, Module::kUp,  Module::kDown};
constexpr DecoderDefaults kDefaults = {.context = 4096,
                                       .norm_epsilon = 1e-5,
                                       .epsilon_key = "norm_epsilon",
                                       .layer_norm = true,
                                       .norm_bias = true,
                                       .tied_embeddings = true,
                                       .gelu = true,
                                       .layer_types = true};

void read_folder(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, kDefaults);
  if (keys.has("layer_types")) refuse(keys.where(), "layer_types of a StarCoder 2");
  if (keys.boolean("use_bias", true)) add_biases(config, kAll);
  for (BlockConfig& block : config.blocks) block.window = keys.integer("sliding_window", 0);
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  DecoderDefaults defaults = kDefaults;
  defaults.layer_types = false;
  read_decoder(keys, config, defaults);
  add_biases_in_file(keys, config, kAll);
}

constexpr TensorNames names() {
  TensorNames names;
  names.linear[static_cast<size_t>(Module::kUp)] = {"mlp.c_fc", "ffn_up"};
  names.linear[static_cast<size_t>(Module::kDown)] = {"mlp.c_proj", "ffn_down"};
  return names;
}

}  // namespace

extern const ModelFamily kStarCoder2 = {.name = "StarCoder 2",
                                        .model_type = "starcoder2",
                                        .architecture = "starcoder2",
                                        .maps = {.gated = false},
                                        .names = names(),
                                        .from_folder = read_folder,
                                        .from_gguf = read_gguf};

}  // namespace ilora
