#include "model/peft_config.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <type_traits>

#include "base/error.h"
#include "base/json.h"

namespace ilora {
namespace {

constexpr const char* kHint =
    "ilora reads LoRA adapters of linear maps, without biases or extra trained modules, and prompt "
    "tuning.";

[[noreturn]] void refuse(const std::string& what, const std::string& where,
                         const std::string& hint = kHint) {
  throw Error(ErrorKind::kUnsupported, fmt::format("[peft] {} is not supported ({})", what, where),
              hint);
}

[[noreturn]] void fail(const std::string& what, const std::string& where) {
  throw Error(ErrorKind::kFormat, fmt::format("[peft] {} ({})", what, where));
}

std::string type_of(const Json& json) {
  const Json type = json.value("peft_type", Json(kPeftLora));
  return type.is_string() ? type.get<std::string>() : type.dump();
}

// A value of LoraConfig as PEFT reads it: its default where the key is missing.
template <class T>
T value_of(const Json& json, const char* key, T otherwise, const std::string& where) {
  if (!json.contains(key)) return otherwise;
  const Json& value = json.at(key);
  const bool number = std::is_same_v<T, bool> ? value.is_boolean() : value.is_number();
  if (number) return value.get<T>();
  if (std::is_same_v<T, bool> && value.is_null()) return otherwise;  // as Python sees None
  fail(fmt::format("expected {} as {}, got {}",
                   std::is_same_v<T, bool> ? "true or false" : "a number", key, value.dump()),
       where);
}

// null, false, "", [] or {}: an option that is there and does nothing.
bool is_off(const Json& value) {
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  return value.is_null() || (value.is_structured() && value.empty());
}

// Options that change what an adapter computes and that ilora does not have.
void refuse_known(const Json& json, const std::string& where) {
  const auto differs = [&](const char* key, const Json& from) {
    const Json value = json.value(key, Json());
    return !value.is_null() && value != from;
  };
  if (differs("num_transformer_submodules", 1)) refuse("num_transformer_submodules above 1", where);
  if (differs("use_dora", false)) refuse("DoRA (use_dora)", where);
  if (differs("bias", "none")) refuse("a trained bias", where);
  // PiSSA, OLoRA, CorDA and LoftQ change the base weights when they begin; these do not.
  const Json start = json.value("init_lora_weights", Json(true));
  const bool plain = start.is_null() || start.is_boolean() || start == "gaussian" ||
                     start == "eva" || start == "orthogonal";
  if (!plain)
    refuse(fmt::format("init_lora_weights {}, which changes the base,", start.dump()), where);
}

// What is neither read nor harmless, whatever later versions of PEFT call it.
void refuse_unknown(const Json& json, const std::string& where) {
  static const std::set<std::string, std::less<>> known = {
      "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "corda_config",
      "eva_config", "exclude_modules", "inference_mode", "init_lora_weights", "layers_pattern",
      "layers_to_transform", "loftq_config", "lora_alpha", "lora_ga_config", "lora_dropout",
      "megatron_core", "num_transformer_submodules", "peft_type", "peft_version",
      "qalora_group_size", "r", "rank_pattern", "revision", "target_modules", "task_type",
      "use_rslora",
      // Of modules_to_save, which is refused by itself.
      "ensure_weight_tying",
      // Of soft prompts.
      "centred", "chosen", "keys", "num_attention_heads", "num_layers", "num_virtual_tokens",
      "prompt_tuning_init", "prompt_tuning_init_text", "token_dim", "tokenizer_kwargs",
      "tokenizer_name_or_path"};
  for (const auto& [key, value] : json.items()) {
    if (!known.contains(key) && !is_off(value)) refuse(key, where);
  }
}

std::regex expression_of(const std::string& text, const char* key, const std::string& where) {
  try {
    return std::regex(text, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error&) {
    refuse(
        fmt::format("the regular expression {} ({})", Json(text).dump(), key), where,
        "ilora knows those without look-behind and named groups. List the modules in its place.");
  }
}

PeftModules modules_of(const Json& json, const char* key, const std::string& where) {
  PeftModules modules;
  const Json value = json.value(key, Json());
  if (is_off(value)) return modules;
  if (value.is_array()) {
    modules.names = value.get<std::vector<std::string>>();
    return modules;
  }
  if (!value.is_string()) fail(fmt::format("expected names of modules as {}", key), where);
  std::string lower = value.get<std::string>();
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  modules.all = lower == "all-linear";
  if (!modules.all) modules.expression = expression_of(value.get<std::string>(), key, where);
  return modules;
}

PeftPattern pattern_of(const Json& json, const char* key, const std::string& where,
                       std::string& text) {
  PeftPattern pattern;
  const Json value = json.value(key, Json());
  if (is_off(value)) return pattern;
  if (!value.is_object()) fail(fmt::format("expected an object as {}", key), where);
  for (const auto& [name, number] : value.items()) {
    const auto of = number.is_number() ? number.get<double>() : 0.0;
    if (!(of > 0)) fail(fmt::format("expected positive numbers in {}", key), where);
    pattern.emplace_back(expression_of("(?:.*\\.)?(?:" + name + ")", key, where), of);
  }
  text += fmt::format(" {} {}", key, value.dump());
  return pattern;
}

// The layers that carry LoRA. They are always called so in what ilora reads ("model.layers.3").
std::optional<std::vector<int64_t>> layers_of(const Json& json, const std::string& where) {
  const Json value = json.value("layers_to_transform", Json());
  const Json name = json.value("layers_pattern", Json());
  const Json& one = name.is_array() && name.size() == 1 ? name[0] : name;
  const bool usual = one.is_string() && one.get_ref<const std::string&>() == "layers";
  if (!is_off(name) && !usual) refuse(fmt::format("layers_pattern {}", name.dump()), where);
  if (value.is_null() || (value.is_array() && value.empty())) return std::nullopt;
  if (value.is_array()) return value.get<std::vector<int64_t>>();
  return std::vector{value.get<int64_t>()};
}

// What names end in, in the order of the block, so that layouts do not depend on the list's.
std::vector<std::string> targets_of(const PeftModules& modules, const std::string& where) {
  std::set<Module> found;
  for (const std::string& name : modules.names) {
    const std::string end = name.substr(name.rfind('.') + 1);
    try {
      found.insert(parse_module(end));
    } catch (const Error& e) {
      refuse("target module " + name, where, e.hint());
    }
  }
  std::vector<std::string> targets;
  for (const Module m : kAllModules) {
    if (found.contains(m)) targets.emplace_back(module_name(m));
  }
  return targets;
}

LoraOptions prompt_options(const Json& json, const std::string& where) {
  LoraOptions options;
  options.targets = {};
  PromptShape& shape = options.prompts;
  const bool pool = type_of(json) == kPeftPool;
  shape.rows = json.at("num_virtual_tokens");
  if (pool) {
    shape.keys = json.at("keys");
    shape.chosen = json.at("chosen");
    shape.centred = json.value("centred", false);
  }
  if (shape.rows <= 0 || (pool && (shape.keys <= 0 || shape.rows % shape.keys != 0 ||
                                   shape.chosen <= 0 || shape.chosen > shape.keys))) {
    fail("expected a positive num_virtual_tokens, and of a pool as many rows for each of its keys",
         where);
  }
  return options;
}

PeftConfig parse(const Json& json, const std::string& where) {
  PeftConfig config;
  refuse_unknown(json, where);
  if (type_of(json) != kPeftLora) {
    config.options = prompt_options(json, where);
    return config;
  }
  LoraOptions& options = config.options;
  options.rank = value_of<int64_t>(json, "r", 8, where);
  options.alpha = value_of(json, "lora_alpha", 8.0, where);
  options.dropout = value_of(json, "lora_dropout", 0.0, where);
  options.rslora = value_of(json, "use_rslora", false, where);
  if (options.rank <= 0) fail(fmt::format("expected a positive r, got {}", options.rank), where);
  if (!(options.dropout >= 0 && options.dropout <= 1))
    fail(fmt::format("expected a probability as lora_dropout, got {}", options.dropout), where);
  config.targets = modules_of(json, "target_modules", where);
  config.excluded = modules_of(json, "exclude_modules", where);
  config.layers = layers_of(json, where);
  config.ranks = pattern_of(json, "rank_pattern", where, config.patterns);
  config.alphas = pattern_of(json, "alpha_pattern", where, config.patterns);
  options.targets = targets_of(config.targets, where);
  if (config.targets.empty()) {
    throw Error(
        ErrorKind::kFormat,
        fmt::format("[peft] expected names of modules as target_modules, got none ({})", where),
        "PEFT takes those of the model's type then. List the modules of the adapter's tensors, "
        "such "
        "as [\"q_proj\", \"v_proj\"].");
  }
  return config;
}

double first_match(const PeftPattern& pattern, const std::string& path, double otherwise) {
  for (const auto& [expression, value] : pattern) {
    if (std::regex_match(path, expression)) return value;
  }
  return otherwise;
}

}  // namespace

bool PeftModules::match(const std::string& path) const {
  if (all) return true;
  if (expression) return std::regex_match(path, *expression);
  return std::ranges::any_of(
      names, [&](const std::string& name) { return path == name || path.ends_with("." + name); });
}

bool PeftConfig::plain() const {
  const bool whole = std::ranges::none_of(
      targets.names, [](const std::string& name) { return name.find('.') != name.npos; });
  return whole && !targets.names.empty() && excluded.empty() && !layers && patterns.empty();
}

bool PeftConfig::wants(const std::string& path, int64_t layer) const {
  if (excluded.match(path) || !targets.match(path)) return false;
  // As PEFT has it, a whole path stands for itself, whatever the layers.
  const bool by_layer = layers && !targets.names.empty() &&
                        std::ranges::find(targets.names, path) == targets.names.end();
  return !by_layer || std::ranges::find(*layers, layer) != layers->end();
}

int64_t PeftConfig::rank_of(const std::string& path) const {
  return static_cast<int64_t>(first_match(ranks, path, static_cast<double>(options.rank)));
}

double PeftConfig::scaling_of(const std::string& path) const {
  LoraOptions own = options;
  own.rank = rank_of(path);
  own.alpha = first_match(alphas, path, options.alpha);
  return own.scaling();
}

PeftConfig read_peft_config(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "adapter_config.json";
  const std::string where = path.string();
  const Json json = read_json(path);
  if (!json.is_object()) fail("expected an object", where);
  const std::string type = type_of(json);
  if (type != kPeftLora && type != kPeftPrompts && type != kPeftPool)
    refuse("peft_type " + type, where);
  refuse_known(json, where);
  try {
    return parse(json, where);
  } catch (const Json::exception& e) {
    fail(what_is_wrong(e), where);
  }
}

}  // namespace ilora
