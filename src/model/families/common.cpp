#include "model/families/common.h"

#include "base/error.h"

namespace ilora {
namespace {

constexpr double kRotaryBase = 10000.0;  // where a file names none

// The width of a head, where a file does not say it itself.
int64_t default_head_dim(const ModelConfig& c) {
  return c.heads > 0 ? c.width / c.heads : 0;
}

RotarySpec read_rotary(const FolderKeys& keys, const ModelConfig& c) {
  // transformers 5 writes rope_parameters {rope_theta, rope_type}; earlier versions rope_theta and
  // rope_scaling, which wins where both say something.
  const FolderKeys earlier = keys.object("rope_scaling");
  const FolderKeys scaling = earlier.empty() ? keys.object("rope_parameters") : earlier;
  if (scaling.has_objects()) refuse(keys.where(), "rotary parameters by type of layer");
  RotarySpec spec;
  spec.base = scaling.number("rope_theta", keys.number("rope_theta", kRotaryBase));
  const double part =
      scaling.number("partial_rotary_factor", keys.number("partial_rotary_factor", 1.0));
  spec.dims = static_cast<int64_t>(static_cast<double>(c.head_dim) * part);
  const std::string type = scaling.text("rope_type", scaling.text("type", "default"));
  if (type == "llama3") {
    const auto context = static_cast<double>(c.context);
    spec.divisors = llama3_divisors(
        spec, {.factor = scaling.number("factor"),
               .low_frequency_factor = scaling.number("low_freq_factor"),
               .high_frequency_factor = scaling.number("high_freq_factor"),
               .original_context = scaling.number("original_max_position_embeddings", context)});
  } else if (type != "default") {
    refuse(keys.where(), fmt::format("rope scaling of type '{}'", type),
           "Types read from folders: default, llama3.");
  }
  return spec;
}

RotarySpec read_rotary(const GgufKeys& keys, const ModelConfig& c) {
  RotarySpec spec;
  spec.base = keys.number("rope.freq_base", kRotaryBase);
  spec.dims = keys.integer("rope.dimension_count", c.head_dim);
  // Without a type a factor means linear scaling; the older key says the same.
  const double factor = keys.number("rope.scaling.factor", keys.number("rope.scale_linear", 1.0));
  const bool scaled = factor != 0 && factor != 1;
  const std::string type = keys.text("rope.scaling.type", scaled ? "linear" : "none");
  if (type != "none") {
    refuse(keys.where(), fmt::format("rope scaling of type '{}'", type),
           "Scalings read from GGUF files: none, and divisors in the tensor rope_freqs.weight.");
  }
  const StoredTensor* divisors = keys.file().find_tensor("rope_freqs.weight");
  if (divisors == nullptr) return spec;
  if (divisors->size() * 2 != spec.dims) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[model] expected {} values in {}, got {} ({})", spec.dims / 2,
                            divisors->name, divisors->size(), keys.where()));
  }
  spec.divisors.resize(static_cast<size_t>(divisors->size()));
  expand_finite_rows(spec.divisors.data(), *divisors, 0, divisors->size() / divisors->row_length());
  return spec;
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
  constexpr int64_t kMost = int64_t{1} << 24, kMostLayers = int64_t{1} << 16;
  for (const int64_t size : {c.width, c.heads, c.head_dim, c.feed_forward, c.vocabulary, c.context,
                             c.heads * c.head_dim})
    demand(size <= kMost, fmt::format("expected sizes of at most {}, got {}", kMost, size));
  demand(c.layers <= kMostLayers,
         fmt::format("expected layers of at most {}, got {}", kMostLayers, c.layers));
  demand(c.norm_epsilon > 0,
         fmt::format("expected a positive norm epsilon, got {}", c.norm_epsilon));
}

void read_decoder(const FolderKeys& keys, ModelConfig& c) {
  c.layers = keys.integer("num_hidden_layers");
  c.width = keys.integer("hidden_size");
  c.heads = keys.integer("num_attention_heads");
  c.kv_heads = keys.integer("num_key_value_heads", c.heads);
  c.head_dim = keys.integer("head_dim", default_head_dim(c));
  c.feed_forward = keys.integer("intermediate_size");
  c.vocabulary = keys.integer("vocab_size");
  c.context = keys.integer("max_position_embeddings", 2048);
  c.norm_epsilon = keys.number("rms_norm_eps", 1e-6);
  c.tied_embeddings = keys.boolean("tie_word_embeddings", false);
  require_sizes(c, keys.where());
  c.rotary = {read_rotary(keys, c)};
  c.blocks.resize(static_cast<size_t>(c.layers));

  const std::string activation = keys.text("hidden_act", "silu");
  if (activation != "silu")
    refuse(keys.where(), fmt::format("activation '{}'", activation), "Known: silu.");
  if (!keys.boolean("is_causal", true))
    refuse(keys.where(), "attention that is not causal (is_causal: false)");
  for (const char* key : {"attention_bias", "mlp_bias"}) {
    if (keys.boolean(key, false)) refuse(keys.where(), fmt::format("a bias ({}: true)", key));
  }
}

void read_decoder(const GgufKeys& keys, ModelConfig& c) {
  c.layers = keys.integer("block_count");
  c.width = keys.integer("embedding_length");
  c.heads = keys.integer("attention.head_count");
  c.kv_heads = keys.integer("attention.head_count_kv", c.heads);
  c.head_dim = keys.integer("attention.key_length", default_head_dim(c));
  c.feed_forward = keys.integer("feed_forward_length");
  const StoredTensor& embedding = keys.file().tensor("token_embd.weight");
  c.vocabulary = embedding.shape.empty() ? 0 : embedding.shape.front();
  c.context = keys.integer("context_length");
  c.norm_epsilon = keys.number("attention.layer_norm_rms_epsilon");
  c.tied_embeddings = keys.file().find_tensor("output.weight") == nullptr;
  require_sizes(c, keys.where());
  c.rotary = {read_rotary(keys, c)};
  c.blocks.resize(static_cast<size_t>(c.layers));

  if (keys.integer("expert_count", 0) > 0) refuse(keys.where(), "a mixture of experts");
  if (!keys.boolean("attention.causal", true))
    refuse(keys.where(), "attention that is not causal (attention.causal: false)");
}

}  // namespace ilora
