#include "model/families/common.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/families/rotary_keys.h"

namespace ilora {
namespace {

constexpr int64_t kMostLayers = int64_t{1} << 16;

// The width of a head, where a file does not say it itself.
int64_t default_head_dim(const ModelConfig& c) {
  return c.heads > 0 ? c.width / c.heads : 0;
}

// Before so many values are asked for.
int64_t bounded_layers(const ModelConfig& c, const std::string& where) {
  if (c.layers > 0 && c.layers <= kMostLayers) return c.layers;
  throw Error(ErrorKind::kFormat, fmt::format("[model] expected 1 to {} layers, got {} ({})",
                                              kMostLayers, c.layers, where));
}

void refuse_quantised(const FolderKeys& keys) {
  if (!keys.has("quantization_config")) return;
  const std::string method = keys.object("quantization_config").text("quant_method", "unknown");
  refuse(keys.where(),
         fmt::format("a folder of quantised weights (quantization_config: {})", method),
         "Use the model's folder before it was quantised, or a GGUF file of it.");
}

}  // namespace

void refuse(const std::string& where, const std::string& what, const std::string& hint) {
  throw Error(ErrorKind::kUnsupported, fmt::format("[model] {} is not supported ({})", what, where),
              hint);
}

void require_sizes(const ModelConfig& c, const std::string& where) {
  const auto demand = [&](bool holds, const std::string& what) {
    if (!holds) throw Error(ErrorKind::kFormat, fmt::format("[model] {} ({})", what, where));
  };
  demand(c.layers > 0 && c.width > 0 && c.heads > 0 && c.feed_forward > 0 && c.vocabulary > 0 &&
             c.context > 0,
         "expected positive sizes for layers, width, heads, feed-forward, vocabulary and context");
  demand(c.kv_heads > 0 && c.heads % c.kv_heads == 0,
         fmt::format("expected key/value heads that divide the {} query heads, got {}", c.heads,
                     c.kv_heads));
  demand(c.head_dim > 0 && c.head_dim % 2 == 0,
         fmt::format("expected an even head width, got {}", c.head_dim));
  // More is a damaged file, and would overflow where sizes are multiplied.
  constexpr int64_t kMost = int64_t{1} << 24;
  for (const int64_t size : {c.width, c.heads, c.head_dim, c.feed_forward, c.vocabulary, c.context,
                             c.heads * c.head_dim})
    demand(size <= kMost, fmt::format("expected sizes of at most {}, got {}", kMost, size));
  demand(c.layers <= kMostLayers,
         fmt::format("expected layers of at most {}, got {}", kMostLayers, c.layers));
  demand(c.norm_epsilon > 0 && std::isfinite(c.norm_epsilon),
         fmt::format("expected a positive norm epsilon, got {}", c.norm_epsilon));
  demand(std::isfinite(c.embedding_multiplier) && std::isfinite(c.logit_scale),
         fmt::format("expected finite multipliers of embeddings and logits, got {} and {}",
                     c.embedding_multiplier, c.logit_scale));
  demand(c.logit_soft_cap >= 0 && std::isfinite(c.logit_soft_cap),
         fmt::format("expected a cap of logits that is not negative, got {}", c.logit_soft_cap));
  for (const BlockConfig& block : c.blocks)
    demand(std::isfinite(block.query_scale) && std::isfinite(block.residual_multiplier) &&
               block.soft_cap >= 0 && std::isfinite(block.soft_cap),
           "expected finite scales of queries and of the residual stream, and a cap of attention's "
           "scores that is not negative");
}

void read_decoder(const FolderKeys& keys, ModelConfig& c, const DecoderDefaults& defaults) {
  refuse_quantised(keys);
  c.layers = keys.integer("num_hidden_layers");
  c.width = keys.integer("hidden_size");
  c.heads = keys.integer("num_attention_heads");
  c.kv_heads = keys.integer("num_key_value_heads", c.heads);
  const int64_t head_dim = defaults.head_dim > 0 ? defaults.head_dim : default_head_dim(c);
  c.head_dim = keys.integer("head_dim", head_dim);
  c.feed_forward = keys.integer("intermediate_size");
  c.vocabulary = keys.integer("vocab_size");
  c.context = keys.integer("max_position_embeddings", defaults.context);
  c.norm_epsilon = keys.number(defaults.epsilon_key, defaults.norm_epsilon);
  c.layer_norm = defaults.layer_norm;
  c.norm_bias = defaults.norm_bias;
  c.tied_embeddings = keys.boolean("tie_word_embeddings", defaults.tied_embeddings);
  require_sizes(c, keys.where());
  if (defaults.one_rotary)
    c.rotary = {read_rotary(keys, c, defaults.rotary_base, defaults.rotary_part)};
  c.blocks.resize(static_cast<size_t>(c.layers));

  const char* gelu = "gelu_pytorch_tanh";
  const std::string known = defaults.gelu ? gelu : "silu";
  const std::string activation = keys.text(defaults.activation_key, known);
  if (activation != known)
    refuse(keys.where(), fmt::format("activation '{}'", activation), "Known here: " + known + ".");
  for (BlockConfig& block : c.blocks) block.gelu = defaults.gelu;
  if (!keys.boolean("is_causal", true))
    refuse(keys.where(), "attention that is not causal (is_causal: false)");
  // "vision": among tokens of pictures, which no row has.
  constexpr const char* kAhead = "use_bidirectional_attention";
  const std::string ahead = keys.is_text(kAhead) ? keys.text(kAhead) : "";
  if (ahead.empty() ? keys.boolean(kAhead, false) : ahead != "vision")
    refuse(keys.where(), fmt::format("attention that is not causal ({}: {})", kAhead,
                                     ahead.empty() ? "true" : ahead));
  const auto biases = [&](const char* key, bool honoured, std::initializer_list<Module> modules) {
    if (!keys.boolean(key, false)) return;
    if (!honoured) refuse(keys.where(), fmt::format("a bias ({}: true)", key));
    add_biases(c, modules);
  };
  biases("attention_bias", defaults.attention_bias, kAttentionMaps);
  biases("mlp_bias", defaults.mlp_bias, {Module::kGate, Module::kUp, Module::kDown});
  if (!defaults.layer_types) read_windows(keys, c, 0, [](int64_t) { return false; });
}

void read_decoder(const FolderKeys& keys, ModelConfig& c) {
  read_decoder(keys, c, DecoderDefaults{});
}

void add_biases(ModelConfig& c, std::initializer_list<Module> modules) {
  for (BlockConfig& block : c.blocks) {
    for (const Module m : modules) block.bias[static_cast<size_t>(m)] = true;
  }
}

void add_biases_in_file(const GgufKeys& keys, ModelConfig& c,
                        std::initializer_list<Module> modules) {
  const TensorNames names;
  for (const Module m : modules) {
    const std::string name = names.linear_in_block(FileKind::kGguf, 0, m) + ".bias";
    if (keys.file().find_tensor(name) != nullptr) add_biases(c, {m});
  }
}

void read_windows(const GgufKeys& keys, ModelConfig& c, int64_t period) {
  constexpr const char* kPattern = "attention.sliding_window_pattern";
  const int64_t window = keys.integer("attention.sliding_window", 0);
  std::vector<bool> slides;
  if (keys.is_array(kPattern)) {
    slides = keys.booleans(kPattern);
    if (static_cast<int64_t>(slides.size()) != c.layers) {
      throw Error(ErrorKind::kFormat, fmt::format("[model] expected {} values of {}, got {} ({})",
                                                  c.layers, kPattern, slides.size(), keys.where()));
    }
  } else {
    period = keys.integer(kPattern, period);
  }
  for (int64_t l = 0; l < c.layers; ++l) {
    const auto at = static_cast<size_t>(l);
    const bool sliding = slides.empty() ? period == 0 || (l + 1) % period != 0 : slides[at];
    c.blocks[at].window = sliding ? window : 0;
  }
}

void read_windows(const FolderKeys& keys, ModelConfig& c, int64_t window,
                  const std::function<bool(int64_t)>& slides) {
  std::vector<std::string> types;
  if (keys.has("layer_types")) {
    types = keys.texts("layer_types");
    if (static_cast<int64_t>(types.size()) != c.layers) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("[model] expected {} layer_types, one for each layer, got {} ({})",
                              c.layers, types.size(), keys.where()));
    }
  }
  for (int64_t l = 0; l < c.layers; ++l) {
    const auto at = static_cast<size_t>(l);
    bool sliding = slides(l);
    if (!types.empty()) {
      sliding = types[at] == "sliding_attention";
      if ((!sliding && types[at] != "full_attention") || (sliding && window <= 0))
        refuse(keys.where(), fmt::format("layer_types with '{}'", types[at]));
    }
    c.blocks[at].window = sliding ? window : 0;
  }
}

void read_decoder(const GgufKeys& keys, ModelConfig& c, const DecoderDefaults& defaults) {
  c.layers = keys.integer("block_count");
  c.width = keys.integer("embedding_length");
  c.heads = keys.integer("attention.head_count");
  constexpr const char* kKvHeads = "attention.head_count_kv";
  if (defaults.unequal_heads && keys.is_array(kKvHeads)) {
    c.kv_heads = std::ranges::max(keys.integers(kKvHeads, bounded_layers(c, keys.where())));
  } else {
    c.kv_heads = keys.integer(kKvHeads, c.heads);
  }
  c.head_dim = keys.integer("attention.key_length", default_head_dim(c));
  if (keys.integer("attention.value_length", c.head_dim) != c.head_dim)
    refuse(keys.where(), "heads of values that are not as wide as those of keys");
  c.feed_forward = keys.integer("feed_forward_length");
  const StoredTensor& embedding = keys.file().tensor("token_embd.weight");
  c.vocabulary = embedding.shape.empty() ? 0 : embedding.shape.front();
  c.context = keys.integer("context_length");
  c.layer_norm = defaults.layer_norm;
  c.norm_bias = defaults.norm_bias;
  c.norm_epsilon = keys.number(c.layer_norm ? "attention.layer_norm_epsilon"
                                            : "attention.layer_norm_rms_epsilon");
  c.tied_embeddings = keys.file().find_tensor("output.weight") == nullptr;
  require_sizes(c, keys.where());
  if (defaults.one_rotary) c.rotary = {read_rotary(keys, c, defaults.rotary_base)};
  c.blocks.resize(static_cast<size_t>(c.layers));
  for (BlockConfig& block : c.blocks) block.gelu = defaults.gelu;

  if (keys.integer("expert_count", 0) > 0) refuse(keys.where(), "a mixture of experts");
  if (!keys.boolean("attention.causal", true))
    refuse(keys.where(), "attention that is not causal (attention.causal: false)");
  if (!defaults.layer_types && keys.integer("attention.sliding_window", 0) > 0)
    refuse(keys.where(), "a sliding window (attention.sliding_window)");
}

void read_decoder(const GgufKeys& keys, ModelConfig& c) {
  read_decoder(keys, c, DecoderDefaults{});
}

}  // namespace ilora
