// GLM-4's dense models of 2025 (GLM-4-0414): norms on both sides of attention and feed-forward, gate and
// up in one map, biases of q, k and v, and half of each head turns, its pairs side by side.
#include "model/families/common.h"

namespace ilora {
namespace {

constexpr std::initializer_list<Module> kBiased = {Module::kQuery, Module::kKey, Module::kValue};

void shape(ModelConfig& config) {
  config.rotary_pairs = true;
  for (BlockConfig& block : config.blocks) block.post_norms = true;
}

void read_folder(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config,
               {.head_dim = 128,
                .context = 131072,
                .norm_epsilon = 1.5625e-7,
                .rotary_part = 0.5,
                .attention_bias = true});
  shape(config);
  const bool biased = keys.boolean("attention_bias", true);
  for (BlockConfig& block : config.blocks) block.bias = {};  // o has none whatever the key says
  if (biased) add_biases(config, kBiased);
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config);
  shape(config);
  add_biases_in_file(keys, config, kBiased);
}

}  // namespace

extern const ModelFamily kGlm4 = {
    .name = "GLM-4",
    .model_type = "glm4",
    .architecture = "glm4",
    .partial_rotary = true,
    .maps = {.joined_feed_forward = true},
    .names = {.attention_post_norm = {"post_self_attn_layernorm", "post_attention_norm"},
              .feed_forward_post_norm = {"post_mlp_layernorm", "post_ffw_norm"}},
    .from_folder = read_folder,
    .from_gguf = read_gguf};

}  // namespace ilora
