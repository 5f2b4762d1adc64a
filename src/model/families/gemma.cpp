// Gemma 2 (Gemma team 2024) and the text models of Gemma 3 (2025): gates through GELU, norms before
// and behind attention and feed-forward, embeddings times the root of the width, layers that look
// back over a window between others that see all. Gemma 2 caps scores and logits; Gemma 3 norms
// heads of queries and keys, and its two kinds of layers turn by different bases. Folders hold norm
// weights less 1. GGUF files keep the rows of q and k in order.
#include <cmath>

#include "model/families/common.h"
#include "model/families/rotary_keys.h"

namespace ilora {
namespace {

constexpr double kLocalBase = 10000.0, kGlobalBase = 1e6;  // of Gemma 3
constexpr int64_t kWindow = 4096;
constexpr TensorNames kNames = {
    .feed_forward_norm = {"pre_feedforward_layernorm", "ffn_norm"},
    .norm_offset_in_folder = 1,
};

DecoderDefaults defaults(bool third) {
  return {.head_dim = 256,
          .context = third ? 131072 : 8192,
          .tied_embeddings = true,
          .gelu = true,
          .activation_key = "hidden_activation",
          .one_rotary = !third,
          .layer_types = true,
          .attention_bias = true};
}

// What all Gemmas have. Scores are multiplied by 1/sqrt(`scalar`).
void shape(ModelConfig& config, double scalar, double score_cap, double logit_cap) {
  config.embedding_multiplier = std::sqrt(static_cast<double>(config.width));
  config.logit_soft_cap = logit_cap;
  for (BlockConfig& block : config.blocks) {
    block.post_norms = true;
    block.soft_cap = score_cap;
    block.query_scale = std::sqrt(static_cast<double>(config.head_dim) / scalar);
  }
}

// Of Gemma 3: layers with a window turn by the second spec.
void add_norms_and_rotary(ModelConfig& config, const RotarySpec& global, const RotarySpec& local) {
  config.rotary = {global, local};
  for (BlockConfig& block : config.blocks) {
    block.head_norm = HeadNorm::kHead;
    block.rotary = block.window > 0 ? 1 : 0;
  }
}

// Every `period`th layer sees all.
auto slides(int64_t period) {
  return [period](int64_t l) { return (l + 1) % period != 0; };
}

void read_folder(const FolderKeys& keys, ModelConfig& config, bool third) {
  read_decoder(keys, config, defaults(third));
  const auto cap = [&](const char* key, double second) {  // null: none
    return keys.number(key, third || keys.is_null(key) ? 0.0 : second);
  };
  shape(config, keys.number("query_pre_attn_scalar", 256), cap("attn_logit_softcapping", 50),
        cap("final_logit_softcapping", 30));
  const int64_t window =
      keys.is_null("sliding_window") ? 0 : keys.integer("sliding_window", kWindow);
  const int64_t period = third ? keys.integer("sliding_window_pattern", 6) : 2;
  read_windows(keys, config, window, slides(period));
}

void read_second(const FolderKeys& keys, ModelConfig& config) {
  read_folder(keys, config, false);
}

// rope_parameters by type of layer; earlier files have rope_theta, rope_local_base_freq and a
// rope_scaling that holds for layers without a window alone.
void read_third(const FolderKeys& keys, ModelConfig& config) {
  read_folder(keys, config, true);
  const FolderKeys parameters = keys.object("rope_parameters");
  const FolderKeys all = keys.object("rope_scaling");
  const double global = keys.number("rope_theta", kGlobalBase);
  const double local = keys.number("rope_local_base_freq", kLocalBase);
  if (!all.empty() && !parameters.empty())
    refuse(keys.where(), "rope_scaling beside rope_parameters by type of layer");
  add_norms_and_rotary(
      config,
      read_rotary(keys, all.empty() ? parameters.object("full_attention") : all, config, global),
      read_rotary(keys, parameters.object("sliding_attention"), config, local));
}

// What converters leave out follows from the model's size: the largest have a scalar of their own.
void read_gguf(const GgufKeys& keys, ModelConfig& config, bool third) {
  read_decoder(keys, config, defaults(third));
  const int64_t largest = third ? 62 : 46;  // layers of the 27B models
  const double scalar = config.layers == largest
                            ? static_cast<double>(config.width) / static_cast<double>(config.heads)
                            : static_cast<double>(config.head_dim);
  shape(config, scalar, keys.number("attn_logit_softcapping", third ? 0.0 : 50.0),
        keys.number("final_logit_softcapping", third ? 0.0 : 30.0));
  const int64_t window = keys.integer("attention.sliding_window", third ? 0 : kWindow);
  const int64_t period = third ? keys.integer("attention.sliding_window_pattern", 6) : 2;
  for (int64_t l = 0; l < config.layers; ++l)
    config.blocks[static_cast<size_t>(l)].window = slides(period)(l) ? window : 0;
}

void read_second(const GgufKeys& keys, ModelConfig& config) {
  read_gguf(keys, config, false);
}
void read_third(const GgufKeys& keys, ModelConfig& config) {
  read_gguf(keys, config, true);
  RotarySpec local;
  local.base = keys.number("rope.freq_base_swa", kLocalBase);
  local.dims = config.head_dim;
  add_norms_and_rotary(config, read_rotary(keys, config, kGlobalBase), local);
}

}  // namespace

extern const ModelFamily kGemma2 = {.name = "Gemma 2",
                                    .model_type = "gemma2",
                                    .architecture = "gemma2",
                                    .names = kNames,
                                    .from_folder = read_second,
                                    .from_gguf = read_second};
extern const ModelFamily kGemma3 = {.name = "Gemma 3",
                                    .model_type = "gemma3_text",
                                    .architecture = "gemma3",
                                    .names = kNames,
                                    .from_folder = read_third,
                                    .from_gguf = read_third};

}  // namespace ilora
