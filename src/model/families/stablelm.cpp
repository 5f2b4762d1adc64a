// StableLM 3B and StableLM 2 1.6B (Bellagente et al. 2024): a Llama with LayerNorms, perhaps biases of q,
// k and v, perhaps attention and feed-forward side by side, of whose heads a quarter turns. The norms of
// heads that StableLM 2 12B has are refused. GGUF files keep the rows of q and k in order.
#include "model/families/common.h"

namespace ilora {
namespace {

constexpr std::initializer_list<Module> kBiased = {Module::kQuery, Module::kKey, Module::kValue};
constexpr DecoderDefaults kDefaults = {.context = 4096,
                                       .norm_epsilon = 1e-5,
                                       .epsilon_key = "layer_norm_eps",
                                       .layer_norm = true,
                                       .norm_bias = true,
                                       .rotary_part = 0.25};

void read_folder(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, kDefaults);
  if (keys.boolean("qk_layernorm", false))
    refuse(keys.where(), "LayerNorm of heads (qk_layernorm: true)");
  if (keys.boolean("use_qkv_bias", false)) add_biases(config, kBiased);
  for (BlockConfig& block : config.blocks)
    block.parallel = keys.boolean("use_parallel_residual", false);
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, kDefaults);
  add_biases_in_file(keys, config, kBiased);
  // Files say it (use_parallel_residual), but llama.cpp goes by whether there is a second norm.
  const bool parallel = keys.file().find_tensor("blk.0.ffn_norm.weight") == nullptr;
  for (BlockConfig& block : config.blocks) block.parallel = parallel;
}

}  // namespace

extern const ModelFamily kStableLm = {.name = "StableLM",
                                      .model_type = "stablelm",
                                      .architecture = "stablelm",
                                      .partial_rotary = true,
                                      .from_folder = read_folder,
                                      .from_gguf = read_gguf};

}  // namespace ilora
