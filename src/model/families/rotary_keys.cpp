#include "model/families/rotary_keys.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "model/families/common.h"

namespace ilora {
namespace {

std::vector<float> floats(const std::vector<double>& values) {
  std::vector<float> out;
  for (const double value : values) out.push_back(static_cast<float>(value));
  return out;
}

void require_divisors(const RotarySpec& spec, const std::string& name, const std::string& where) {
  if (static_cast<int64_t>(spec.divisors.size()) * 2 == spec.dims) return;
  throw Error(ErrorKind::kFormat, fmt::format("[model] expected {} values in {}, got {} ({})",
                                              spec.dims / 2, name, spec.divisors.size(), where));
}

std::vector<float> linear_divisors(const RotarySpec& spec, double factor) {
  return std::vector<float>(static_cast<size_t>(spec.dims / 2), static_cast<float>(factor));
}

void require_factor(double factor, const std::string& where) {
  if (factor > 0) return;
  throw Error(ErrorKind::kFormat, fmt::format("[model] expected a positive factor of rope scaling, "
                                              "got {} ({})",
                                              factor, where));
}

// The length that the model was made for before its rotary positions were stretched.
double original_context(const FolderKeys& keys, const FolderKeys& scaling, const ModelConfig& c) {
  constexpr const char* kKey = "original_max_position_embeddings";
  return keys.number(kKey, scaling.number(kKey, static_cast<double>(c.context)));
}

void read_yarn(const FolderKeys& keys, const FolderKeys& scaling, const ModelConfig& c,
               RotarySpec& spec) {
  YarnScaling yarn;
  yarn.original_context = original_context(keys, scaling, c);
  yarn.factor = scaling.number("factor", static_cast<double>(c.context) / yarn.original_context);
  require_factor(yarn.factor, keys.where());
  yarn.beta_fast = scaling.number("beta_fast", yarn.beta_fast);
  yarn.beta_slow = scaling.number("beta_slow", yarn.beta_slow);
  yarn.truncate = scaling.boolean("truncate", true);
  spec.divisors = yarn_divisors(spec, yarn);
  const double m = scaling.number("mscale", 0), m_all = scaling.number("mscale_all_dim", 0);
  spec.magnitude = m != 0 && m_all != 0
                       ? yarn_magnitude(yarn.factor, m) / yarn_magnitude(yarn.factor, m_all)
                       : yarn_magnitude(yarn.factor);
  spec.magnitude = scaling.number("attention_factor", spec.magnitude);
}

// Of the whole head the first `part` turns, at the speeds that all of it would have (Gemma 4).
std::vector<float> proportional_divisors(const RotarySpec& spec, double part, double factor) {
  const auto turning = static_cast<int64_t>(part * static_cast<double>(spec.dims) / 2);
  std::vector<float> divisors(static_cast<size_t>(spec.dims / 2), static_cast<float>(factor));
  for (int64_t i = turning; i < spec.dims / 2; ++i)
    divisors[static_cast<size_t>(i)] = std::numeric_limits<float>::infinity();
  return divisors;
}

void read_longrope(const FolderKeys& keys, const FolderKeys& scaling, ModelConfig& c,
                   RotarySpec& spec) {
  const double original = original_context(keys, scaling, c);
  spec.divisors = floats(scaling.numbers("short_factor"));
  require_divisors(spec, "short_factor", keys.where());
  const double factor = scaling.number("factor", static_cast<double>(c.context) / original);
  spec.magnitude = scaling.number("attention_factor", longrope_magnitude(factor, original));
  c.context = std::min(c.context, static_cast<int64_t>(original));
}

}  // namespace

RotarySpec read_rotary(const FolderKeys& keys, const FolderKeys& scaling, ModelConfig& c,
                       double base, double whole) {
  RotarySpec spec;
  spec.base = scaling.number("rope_theta", base);
  const double part =
      scaling.number("partial_rotary_factor", keys.number("partial_rotary_factor", whole));
  spec.dims = static_cast<int64_t>(static_cast<double>(c.head_dim) * part);
  const std::string type = scaling.text("rope_type", scaling.text("type", "default"));
  if (type == "llama3") {
    spec.divisors =
        llama3_divisors(spec, {.factor = scaling.number("factor"),
                               .low_frequency_factor = scaling.number("low_freq_factor"),
                               .high_frequency_factor = scaling.number("high_freq_factor"),
                               .original_context = original_context(keys, scaling, c)});
  } else if (type == "linear") {
    const double factor = scaling.number("factor");
    require_factor(factor, keys.where());
    spec.divisors = linear_divisors(spec, factor);
  } else if (type == "yarn") {
    read_yarn(keys, scaling, c, spec);
  } else if (type == "longrope" || type == "su") {
    read_longrope(keys, scaling, c, spec);
  } else if (type == "proportional") {
    const double factor = scaling.number("factor", 1.0);
    require_factor(factor, keys.where());
    spec.dims = c.head_dim;
    spec.divisors = proportional_divisors(spec, part, factor);
  } else if (type != "default" && type != "dynamic") {
    // "dynamic" changes nothing for rows within the context, and there are no others.
    refuse(keys.where(), fmt::format("rope scaling of type '{}'", type),
           "Types read from folders: default, linear, dynamic, llama3, yarn, longrope, "
           "proportional.");
  }
  return spec;
}

RotarySpec read_rotary(const FolderKeys& keys, ModelConfig& c, double base, double part) {
  const FolderKeys earlier = keys.object("rope_scaling");
  const FolderKeys scaling = earlier.empty() ? keys.object("rope_parameters") : earlier;
  if (scaling.has_objects()) refuse(keys.where(), "rotary parameters by type of layer");
  return read_rotary(keys, scaling, c, keys.number("rope_theta", base), part);
}

namespace {

std::vector<float> read_divisors(const StoredTensor& stored) {
  std::vector<float> divisors(static_cast<size_t>(stored.size()));
  expand_finite_rows(divisors.data(), stored, 0, stored.size() / stored.row_length());
  return divisors;
}

void read_yarn(const GgufKeys& keys, double factor, const ModelConfig& c,
               YarnLogMultiplier multiplier, RotarySpec& spec) {
  YarnScaling yarn;
  require_factor(factor, keys.where());
  yarn.factor = factor;
  yarn.original_context =
      keys.number("rope.scaling.original_context_length", static_cast<double>(c.context));
  yarn.beta_fast = keys.number("rope.scaling.yarn_beta_fast", yarn.beta_fast);
  yarn.beta_slow = keys.number("rope.scaling.yarn_beta_slow", yarn.beta_slow);
  constexpr const char* kMultiplier = "rope.scaling.yarn_log_multiplier";
  const bool divides = multiplier == YarnLogMultiplier::kSecondMagnitude;
  for (const char* key :
       {kMultiplier, "rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor"}) {
    if (keys.has(key) && !(divides && key == kMultiplier))
      refuse(keys.where(), std::string("YaRN with ") + key);
  }
  spec.divisors = yarn_divisors(spec, yarn);
  spec.magnitude = yarn_magnitude(factor) * keys.number("rope.scaling.attn_factor", 1.0);
  if (divides) spec.magnitude /= yarn_magnitude(factor, keys.number(kMultiplier, 0.0));
}

}  // namespace

RotarySpec read_rotary(const GgufKeys& keys, ModelConfig& c, double base,
                       YarnLogMultiplier multiplier) {
  RotarySpec spec;
  spec.base = keys.number("rope.freq_base", base);
  spec.dims = keys.integer("rope.dimension_count", c.head_dim);
  // Without a type a factor means linear scaling; the older key says the same.
  const double factor = keys.number("rope.scaling.factor", keys.number("rope.scale_linear", 1.0));
  const bool scaled = factor != 0 && factor != 1;
  const std::string type = keys.text("rope.scaling.type", scaled ? "linear" : "none");
  if (type == "linear") {
    if (scaled) spec.divisors = linear_divisors(spec, factor);
    require_factor(scaled ? factor : 1, keys.where());
  } else if (type == "yarn") {
    read_yarn(keys, factor, c, multiplier, spec);
  } else if (type != "none" && type != "longrope") {
    refuse(
        keys.where(), fmt::format("rope scaling of type '{}'", type),
        "Scalings read from GGUF files: none, linear, yarn, longrope, and divisors in the tensor "
        "rope_freqs.weight.");
  }
  const StoredTensor* freqs = keys.file().find_tensor("rope_freqs.weight");
  const StoredTensor* factors = keys.file().find_tensor("rope_factors_short.weight");
  if (freqs != nullptr || factors != nullptr) {
    const StoredTensor& stored = freqs != nullptr ? *freqs : *factors;
    if (!spec.divisors.empty() || (freqs != nullptr && factors != nullptr))
      refuse(keys.where(), fmt::format("{} beside another rope scaling", stored.name));
    spec.divisors = read_divisors(stored);
    require_divisors(spec, stored.name, keys.where());
  }
  if (factors != nullptr) {
    const auto original = keys.integer("rope.scaling.original_context_length", c.context);
    spec.magnitude = keys.number("rope.scaling.attn_factor", 1.0);
    c.context = std::min(c.context, original);
  } else if (type == "longrope") {
    refuse(keys.where(), "rope scaling of type 'longrope' without rope_factors_short.weight");
  }
  return spec;
}

}  // namespace ilora
