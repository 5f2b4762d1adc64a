#include "model/config.h"

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/json.h"
#include "formats/gguf.h"

namespace ilora {
namespace {

[[noreturn]] void unsupported(const std::string& where, const std::string& what) {
  throw Error(ErrorKind::kUnsupported, fmt::format("[model] {} is not supported ({})", what, where),
              "ilora runs models of the Llama family: SmolLM2, Llama, Qwen2, and Mistral without "
              "sliding windows.");
}

void validate(const ModelConfig& c, const std::string& where) {
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
  for (const int64_t size : {c.layers, c.width, c.heads, c.head_dim, c.feed_forward, c.vocabulary,
                             c.context, c.heads * c.head_dim})
    demand(size <= kMost, fmt::format("expected sizes of at most {}, got {}", kMost, size));
  demand(c.rope_theta > 0 && c.norm_epsilon > 0, "expected a positive rope base and norm epsilon");
}

// Llama 3's scaled frequencies (config.json: rope_scaling of type "llama3") as divisors.
std::vector<float> llama3_factors(const Json& scaling, const ModelConfig& c) {
  const double factor = scaling.at("factor"), low = scaling.at("low_freq_factor");
  const double high = scaling.at("high_freq_factor"),
               context = scaling.at("original_max_position_embeddings");
  std::vector<float> factors;
  for (int64_t i = 0; i < c.head_dim / 2; ++i) {
    const double wave =
        2.0 * std::numbers::pi *
        std::pow(c.rope_theta, 2.0 * static_cast<double>(i) / static_cast<double>(c.head_dim));
    double divisor = 1.0;
    if (wave > context / low) {
      divisor = factor;
    } else if (wave > context / high) {
      const double smooth = (context / wave - low) / (high - low);
      divisor = 1.0 / ((1.0 - smooth) / factor + smooth);
    }
    factors.push_back(static_cast<float>(divisor));
  }
  return factors;
}

void read_rope_scaling(const Json& json, ModelConfig& c, const std::string& where) {
  // transformers 5 writes rope_parameters {rope_theta, rope_type}; earlier ones rope_theta and
  // rope_scaling.
  const Json scaling = json.contains("rope_parameters") ? json["rope_parameters"]
                                                        : json.value("rope_scaling", Json());
  if (!scaling.is_object()) return;
  if (scaling.contains("rope_theta")) c.rope_theta = scaling["rope_theta"];
  const std::string type =
      scaling.value("rope_type", scaling.value("type", std::string("default")));
  if (type == "llama3") {
    c.rope_factors = llama3_factors(scaling, c);
  } else if (type != "default") {
    unsupported(where, fmt::format("rope scaling of type '{}'", type));
  }
}

// What a model is by its family alone.
void set_family(ModelConfig& c, const std::string& type) {
  c.qkv_bias = type == "qwen2";
  c.interleaved_in_gguf = type != "qwen2";
}

}  // namespace

void ModelConfig::check_bias(std::string_view tensor, const std::string& where) const {
  if (!tensor.ends_with(".bias")) return;
  for (const char* known : {".q_proj.bias", ".k_proj.bias", ".v_proj.bias", ".attn_q.bias",
                            ".attn_k.bias", ".attn_v.bias"}) {
    if (qkv_bias && tensor.ends_with(known)) return;
  }
  unsupported(where, fmt::format("a bias ({})", tensor));
}

ModelConfig config_from_gguf(const GgufFile& file) {
  const std::string architecture = file.text("general.architecture");
  if (architecture != "llama" && architecture != "qwen2")
    unsupported(file.name(), fmt::format("architecture '{}'", architecture));
  const auto key = [&](const char* name) { return architecture + "." + name; };
  ModelConfig c;
  set_family(c, architecture);
  c.name = file.text("general.name", "");
  c.layers = file.integer(key("block_count"));
  c.width = file.integer(key("embedding_length"));
  c.heads = file.integer(key("attention.head_count"));
  c.kv_heads = file.integer(key("attention.head_count_kv"), c.heads);
  c.feed_forward = file.integer(key("feed_forward_length"));
  c.context = file.integer(key("context_length"));
  c.norm_epsilon = file.number(key("attention.layer_norm_rms_epsilon"));
  c.rope_theta = file.number(key("rope.freq_base"), 10000.0);
  if (c.heads <= 0) validate(c, file.name());
  c.head_dim = file.integer(key("attention.key_length"), c.width / c.heads);
  if (file.integer(key("rope.dimension_count"), c.head_dim) != c.head_dim) {
    unsupported(file.name(), "a rotary embedding over a part of each head");
  }
  // Without a type a factor means linear scaling; the older key says the same.
  const double factor =
      file.number(key("rope.scaling.factor"), file.number(key("rope.scale_linear"), 1.0));
  const bool scaled = factor != 0 && factor != 1;
  const std::string scaling = file.text(key("rope.scaling.type"), scaled ? "linear" : "none");
  if (scaling != "none")
    unsupported(file.name(), fmt::format("rope scaling of type '{}'", scaling));
  if (file.integer("split.count", 0) > 1) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("[model] {} is one of {} parts", file.name(), file.integer("split.count")),
        "Join them: llama-gguf-split --merge FIRST-PART WHOLE.gguf.");
  }
  if (file.integer(key("expert_count"), 0) > 0) unsupported(file.name(), "a mixture of experts");
  for (const StoredTensor& tensor : file.tensors()) c.check_bias(tensor.name, file.name());
  const StoredTensor& embedding = file.tensor("token_embd.weight");
  c.vocabulary = embedding.shape.empty() ? 0 : embedding.shape.front();
  c.tied_embeddings = file.find_tensor("output.weight") == nullptr;
  if (const StoredTensor* factors = file.find_tensor("rope_freqs.weight")) {
    c.rope_factors.resize(static_cast<size_t>(factors->size()));
    expand_rows(c.rope_factors.data(), *factors, 0, factors->size() / factors->row_length());
    if (static_cast<int64_t>(c.rope_factors.size()) * 2 != c.head_dim) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("[model] expected {} values in rope_freqs.weight, got {} ({})",
                              c.head_dim / 2, c.rope_factors.size(), file.name()));
    }
  }
  validate(c, file.name());
  return c;
}

ModelConfig config_from_folder(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  const std::string where = path.string();
  const Json json = read_json(path);
  ModelConfig c;
  try {
    const std::string type = json.at("model_type");
    if (type != "llama" && type != "mistral" && type != "qwen2")
      unsupported(where, fmt::format("model_type '{}'", type));
    const bool windows = type == "qwen2" ? json.value("use_sliding_window", false)
                                         : !json.value("sliding_window", Json()).is_null();
    if (type != "llama" && windows)
      unsupported(where, fmt::format("model_type '{}' with sliding windows", type));
    set_family(c, type);
    c.name = folder.filename().string();
    c.layers = json.at("num_hidden_layers");
    c.width = json.at("hidden_size");
    c.heads = json.at("num_attention_heads");
    c.kv_heads = json.value("num_key_value_heads", c.heads);
    c.feed_forward = json.at("intermediate_size");
    c.vocabulary = json.at("vocab_size");
    c.context = json.value("max_position_embeddings", int64_t{2048});
    c.norm_epsilon = json.value("rms_norm_eps", 1e-6);
    c.rope_theta = json.value("rope_theta", 10000.0);
    c.tied_embeddings = json.value("tie_word_embeddings", false);
    if (c.heads <= 0) validate(c, where);
    const Json head_dim = json.value("head_dim", Json());
    c.head_dim = head_dim.is_number() ? head_dim.get<int64_t>() : c.width / c.heads;
    if (json.value("attention_bias", false) || json.value("mlp_bias", false))
      unsupported(where, "a bias");
    const std::string activation = json.value("hidden_act", std::string("silu"));
    if (activation != "silu") unsupported(where, fmt::format("activation '{}'", activation));
    read_rope_scaling(json, c, where);
  } catch (const Json::exception& e) {
    throw Error(
        ErrorKind::kFormat,
        fmt::format("[model] a key is missing or has a wrong type in {}: {}", where, e.what()));
  }
  validate(c, where);
  return c;
}

}  // namespace ilora
