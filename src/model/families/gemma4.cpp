// Gemma 4's dense text models (2026; transformers 5.24, gemma4 and gemma4_unified: the 12B and the
// 31B): Gemma 3's norms and gates, scores that nothing divides, values with a norm. Layers that see
// all have wider and fewer heads, turn a part of each, and may take their values from the map of
// keys. Each block's output is multiplied by a figure of the file. Experts, embeddings of each layer
// and layers that read another one's keys (26B, E2B, E4B) are refused by name. GGUF files keep the
// rows of q and k in order.
#include <algorithm>
#include <cmath>

#include "model/families/common.h"
#include "model/families/rotary_keys.h"

namespace ilora {
namespace {

constexpr double kLocalBase = 10000.0, kGlobalBase = 1e6;
constexpr int64_t kGlobalHead = 512, kPeriod = 6;
constexpr TensorNames kNames = {.feed_forward_norm = {"pre_feedforward_layernorm", "ffn_norm"}};
constexpr DecoderDefaults kDefaults = {.head_dim = 256,
                                       .context = 131072,
                                       .tied_embeddings = true,
                                       .gelu = true,
                                       .activation_key = "hidden_activation",
                                       .one_rotary = false,
                                       .layer_types = true,
                                       .attention_bias = true,
                                       .unequal_heads = true};

void refuse_parts(int64_t per_layer, int64_t shared, bool experts, const std::string& where) {
  const char* hint = "Gemma 4's dense models (12B, 31B) are read.";
  if (per_layer > 0) refuse(where, "Gemma 4 with embeddings of each layer (E2B, E4B)", hint);
  if (shared > 0) refuse(where, "Gemma 4 with layers that read another one's keys", hint);
  if (experts) refuse(where, "a mixture of experts", hint);
}

// What holds of all, once heads and windows are there. Scores are not divided.
void finish(ModelConfig& config, double logit_cap) {
  config.embedding_multiplier = std::sqrt(static_cast<double>(config.width));
  config.logit_soft_cap = logit_cap;
  for (int64_t l = 0; l < config.layers; ++l) {
    BlockConfig& block = config.blocks[static_cast<size_t>(l)];
    block.post_norms = true;
    block.head_norm = HeadNorm::kHead;
    block.value_norm = true;
    block.query_scale = std::sqrt(static_cast<double>(config.head_dim_of(l)));
    block.rotary = block.window > 0 ? 1 : 0;
  }
}

// Layers may differ where transformers says so: per_layer_config, by number; files of others have the
// heads of layers that see all in two keys.
void read_heads(const FolderKeys& keys, ModelConfig& config, bool keys_as_values) {
  const FolderKeys each = keys.object("per_layer_config");
  const int64_t global = keys.integer("global_head_dim", kGlobalHead);
  const int64_t few = keys_as_values ? keys.integer("num_global_key_value_heads", 0) : 0;
  for (int64_t l = 0; l < config.layers; ++l) {
    BlockConfig& block = config.blocks[static_cast<size_t>(l)];
    const bool sees_all = block.window == 0;
    block.keys_as_values = keys_as_values && sees_all;
    if (!keys.has("per_layer_config")) {
      if (!sees_all) continue;
      block.head_dim = global;
      block.kv_heads = few;
      continue;
    }
    const FolderKeys own = each.object(std::to_string(l).c_str());
    for (const std::string& name : own.names()) {
      if (name != "head_dim" && name != "num_key_value_heads")
        refuse(keys.where(), fmt::format("'{}' in per_layer_config", name));
    }
    block.head_dim = own.integer("head_dim", 0);
    block.kv_heads = own.integer("num_key_value_heads", 0);
  }
}

void require_heads(const ModelConfig& config, const std::string& where) {
  for (int64_t l = 0; l < config.layers; ++l) {
    ModelConfig own = config;  // its sizes alone
    own.head_dim = config.head_dim_of(l);
    own.kv_heads = config.kv_heads_of(l);
    require_sizes(own, where);
  }
}

// The width of the heads of layers that see all, which all share one rotary spec.
int64_t global_head(const ModelConfig& config, const std::string& where) {
  int64_t width = 0;
  for (int64_t l = 0; l < config.layers; ++l) {
    if (config.block(l).window > 0 && config.head_dim_of(l) != config.head_dim)
      refuse(where, "heads of several widths in layers with a window");
    if (config.block(l).window > 0) continue;
    if (width != 0 && width != config.head_dim_of(l))
      refuse(where, "heads of several widths in layers without a window");
    width = config.head_dim_of(l);
  }
  return width;
}

void read_folder(const FolderKeys& keys, ModelConfig& config, int64_t per_layer, int64_t window) {
  read_decoder(keys, config, kDefaults);
  refuse_parts(keys.integer("hidden_size_per_layer_input", per_layer),
               keys.integer("num_kv_shared_layers", 0), keys.boolean("enable_moe_block", false),
               keys.where());
  read_windows(keys, config, keys.integer("sliding_window", window),
               [](int64_t l) { return (l + 1) % kPeriod != 0; });
  config.blocks.back().window = 0;  // the last layer sees all, whatever layer_types says
  read_heads(keys, config, keys.boolean("attention_k_eq_v", false));
  require_heads(config, keys.where());
  if (keys.boolean("attention_bias", false)) {
    for (BlockConfig& block : config.blocks)
      if (block.keys_as_values) block.bias[static_cast<size_t>(Module::kValue)] = false;
  }
  const FolderKeys rotary = keys.object("rope_parameters");
  if (!rotary.has("full_attention"))
    refuse(keys.where(), "Gemma 4 without rope_parameters of full_attention");
  ModelConfig wide = config;
  wide.head_dim = global_head(config, keys.where());
  config.rotary = {
      read_rotary(keys, rotary.object("full_attention"), wide, kGlobalBase),
      read_rotary(keys, rotary.object("sliding_attention"), config, kLocalBase),
  };
  finish(config, keys.number("final_logit_softcapping", 0));
}

void read_gemma4(const FolderKeys& keys, ModelConfig& config) {
  constexpr int64_t kPerLayer = 256, kWindow = 512;  // where nothing is said
  read_folder(keys, config, kPerLayer, kWindow);
}
void read_unified(const FolderKeys& keys, ModelConfig& config) {
  read_folder(keys, config, 0, 1024);
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, kDefaults);
  refuse_parts(keys.integer("embedding_length_per_layer_input", 0),
               keys.integer("attention.shared_kv_layers", 0), false, keys.where());
  read_windows(keys, config, kPeriod);
  const int64_t wide = config.head_dim;  // of layers that see all
  const int64_t narrow = keys.integer("attention.key_length_swa", wide);
  if (keys.integer("attention.value_length_swa", narrow) != narrow)
    refuse(keys.where(), "heads of values that are not as wide as those of keys");
  const std::vector<int64_t> kv_heads = keys.integers("attention.head_count_kv", config.layers);
  const TensorNames names;
  for (int64_t l = 0; l < config.layers; ++l) {
    BlockConfig& block = config.blocks[static_cast<size_t>(l)];
    block.head_dim = block.window > 0 ? narrow : wide;
    block.kv_heads = kv_heads[static_cast<size_t>(l)];
    block.keys_as_values =
        keys.file().find_tensor(names.linear_in_block(FileKind::kGguf, l, Module::kValue) +
                                ".weight") == nullptr;
  }
  require_heads(config, keys.where());
  RotarySpec local;
  local.base = keys.number("rope.freq_base_swa", kLocalBase);
  local.dims = keys.integer("rope.dimension_count_swa", narrow);
  config.rotary = {read_rotary(keys, config, kGlobalBase), local};
  finish(config, keys.number("final_logit_softcapping", 0.0));
}

}  // namespace

extern const ModelFamily kGemma4 = {.name = "Gemma 4",
                                    .model_type = "gemma4_text",
                                    .architecture = "gemma4",
                                    .names = kNames,
                                    .from_folder = read_gemma4,
                                    .from_gguf = read_gguf};
extern const ModelFamily kGemma4Unified = {.name = "Gemma 4 12B",
                                           .model_type = "gemma4_unified_text",
                                           .converts_to = "gemma4",
                                           .names = kNames,
                                           .from_folder = read_unified};

}  // namespace ilora
