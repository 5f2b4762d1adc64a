#include "model/peft.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "formats/safetensors.h"

namespace ilora {
namespace {

constexpr const char* kValues = "adapter_model.safetensors";
constexpr const char* kHash = "ilora.hash";  // in its metadata
constexpr const char* kLora = "LORA";
constexpr const char* kPromptTuning = "PROMPT_TUNING";
constexpr const char* kPromptRows = "prompt_embeddings";
constexpr const char* kPromptKeys = "prompt_keys";
constexpr const char* kPromptPool = "ILORA_PROMPT_POOL";  // ours: prompts that are found by keys

std::string tensor_name(const AdapterLayout& layout, const LoraBlock& block, const char* factor) {
  return fmt::format("base_model.model.{}.{}.weight", layout.path(block), factor);
}

void transpose(float* out, const float* in, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) out[c * rows + r] = in[r * columns + c];
  }
}

std::string type_of(const Json& json) {
  const Json type = json.value("peft_type", Json(kLora));
  return type.is_string() ? type.get<std::string>() : type.dump();
}

// Options of PEFT that change what an adapter computes and that ilora does not have.
void refuse_unsupported(const Json& json, const std::string& where) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("[peft] {} is not supported ({})", what, where),
                "ilora reads plain LoRA adapters (one rank and alpha, no biases, no extra trained "
                "modules) and prompt tuning.");
  };
  const std::string type = type_of(json);
  if (type != kLora && type != kPromptTuning && type != kPromptPool) refuse("peft_type " + type);
  const auto differs = [&](const char* key, const Json& from) {
    const Json value = json.value(key, Json());
    return !value.is_null() && value != from;
  };
  if (differs("num_transformer_submodules", 1)) refuse("num_transformer_submodules above 1");
  if (differs("use_dora", false)) refuse("DoRA (use_dora)");
  if (differs("bias", "none")) refuse("a trained bias");
  for (const char* key : {"lora_bias", "fan_in_fan_out", "use_qalora"}) {
    if (differs(key, false)) refuse(key);
  }
  for (const char* key : {"rank_pattern", "alpha_pattern", "modules_to_save", "layers_to_transform",
                          "target_parameters", "trainable_token_indices", "alora_invocation_tokens",
                          "layer_replication"}) {
    const Json value = json.value(key, Json());
    if (!value.is_null() && !value.empty()) refuse(key);
  }
  // PiSSA, OLoRA, CorDA and LoftQ change the base weights when they begin; these do not.
  const Json start = json.value("init_lora_weights", Json(true));
  const bool plain = start.is_null() || start.is_boolean() || start == "gaussian" ||
                     start == "eva" || start == "orthogonal";
  if (!plain) refuse(fmt::format("init_lora_weights {}, which changes the base,", start.dump()));
}

// Of the values and of what scales them, so that damage to either file is noticed.
std::string content_hash(std::span<const StoredTensor> tensors, const LoraOptions& o) {
  const std::string scale = o.prompts.rows > 0
                                ? fmt::format("{} {}", o.prompts.keys, o.prompts.chosen)
                                : fmt::format("{} {} {}", o.rank, o.alpha, o.rslora);
  return hash_digits(hash_tensors(tensors, hash_text(scale)));
}

void write_values(const std::filesystem::path& folder, std::span<const StoredTensor> tensors,
                  const LoraOptions& options) {
  write_safetensors(folder / kValues, tensors,
                    {{"format", "pt"}, {kHash, content_hash(tensors, options)}});
}

// Adapters of other programs, and of earlier versions, have no hash.
void require_whole(const SafetensorsFile& file, const LoraOptions& options) {
  const auto hash = file.metadata().find(kHash);
  if (hash == file.metadata().end() || hash->second == content_hash(file.tensors(), options))
    return;
  throw Error(
      ErrorKind::kFormat,
      fmt::format("[peft] expected the adapter that was saved, got another ({})", file.name()),
      "The file is damaged, or r, lora_alpha or use_rslora beside it were edited. An "
      "adapter that is edited on purpose has to lose ilora.hash from its metadata.");
}

void save_prompts(const std::filesystem::path& folder, const Adapter& adapter,
                  const std::string& base_model) {
  const AdapterLayout& layout = adapter.layout();
  if (!layout.blocks().empty()) {
    throw Error(ErrorKind::kUnsupported,
                "[peft] an adapter with both LoRA and soft prompts has no PEFT form");
  }
  const PromptShape& shape = layout.prompts();
  Json config = {{"peft_type", shape.keys > 0 ? kPromptPool : kPromptTuning},
                 {"task_type", "CAUSAL_LM"},
                 {"base_model_name_or_path", base_model},
                 {"num_virtual_tokens", shape.rows},
                 {"token_dim", layout.width()},
                 {"num_transformer_submodules", 1},
                 {"prompt_tuning_init", "RANDOM"},
                 {"prompt_tuning_init_text", nullptr},
                 {"inference_mode", true}};
  const auto stored = [&](const char* name, Tensor rows) {
    return stored_view<float>(name, {rows.shape[0], rows.shape[1]},
                              {rows.ptr<float>(), static_cast<size_t>(rows.size())});
  };
  std::vector<StoredTensor> tensors = {stored(kPromptRows, soft_prompts(adapter.values(), layout))};
  if (shape.keys > 0) {
    config["keys"] = shape.keys;
    config["chosen"] = shape.chosen;
    tensors.push_back(stored(kPromptKeys, prompt_keys(adapter.values(), layout)));
  }
  write_values(folder, tensors, adapter.options());
  write_json(folder / "adapter_config.json", config);
}

LoraOptions prompt_options(const Json& json, const std::string& where) {
  LoraOptions options;
  options.targets = {};
  PromptShape& shape = options.prompts;
  try {
    shape.rows = json.at("num_virtual_tokens");
    if (type_of(json) == kPromptPool) {
      shape.keys = json.at("keys");
      shape.chosen = json.at("chosen");
    }
  } catch (const Json::exception& e) {
    throw Error(ErrorKind::kFormat, fmt::format("[peft] {} ({})", what_is_wrong(e), where));
  }
  const bool pool = type_of(json) == kPromptPool;
  if (shape.rows <= 0 || (pool && (shape.keys <= 0 || shape.rows % shape.keys != 0 ||
                                   shape.chosen <= 0 || shape.chosen > shape.keys))) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[peft] expected a positive num_virtual_tokens, and of a pool as many "
                            "rows for each of its keys ({})",
                            where));
  }
  return options;
}

void load_rows(Tensor rows, const SafetensorsFile& file, const char* name) {
  const StoredTensor& stored = file.tensor(name);
  if (stored.shape != std::vector<int64_t>{rows.shape[0], rows.shape[1]}) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[peft] expected shape ({}, {}) for {}, got {} ({})", rows.shape[0],
                            rows.shape[1], name, stored.describe(), file.name()),
                "The adapter was made for another base model.");
  }
  expand_finite_rows(rows.ptr<float>(), stored, 0, rows.shape[0]);
}

Adapter load_prompts(const SafetensorsFile& file, const ModelConfig& config,
                     const LoraOptions& options) {
  Adapter adapter(config, options);
  load_rows(soft_prompts(adapter.values(), adapter.layout()), file, kPromptRows);
  if (options.prompts.keys > 0)
    load_rows(prompt_keys(adapter.values(), adapter.layout()), file, kPromptKeys);
  require_whole(file, options);
  return adapter;
}

}  // namespace

void save_peft(const std::filesystem::path& folder, const Adapter& adapter,
               const std::string& base_model) {
  make_folder(folder);
  if (adapter.layout().prompts().rows > 0) return save_prompts(folder, adapter, base_model);
  const LoraOptions& o = adapter.options();
  const Json config = {{"peft_type", "LORA"},
                       {"task_type", "CAUSAL_LM"},
                       {"base_model_name_or_path", base_model},
                       {"r", o.rank},
                       {"lora_alpha", o.alpha},
                       {"lora_dropout", o.dropout},
                       {"use_rslora", o.rslora},
                       {"target_modules", o.targets},
                       {"bias", "none"},
                       {"fan_in_fan_out", false},
                       {"init_lora_weights", true},
                       {"inference_mode", true},
                       {"layers_to_transform", nullptr},
                       {"modules_to_save", nullptr},
                       {"rank_pattern", Json::object()},
                       {"alpha_pattern", Json::object()},
                       {"use_dora", false},
                       {"lora_bias", false}};

  const float* values = adapter.values().ptr<float>();
  std::vector<std::vector<float>> transposed;  // B (out,R) of each block
  std::vector<StoredTensor> tensors;
  transposed.reserve(adapter.layout().blocks().size());
  for (const LoraBlock& b : adapter.layout().blocks()) {
    std::vector<float>& out = transposed.emplace_back(static_cast<size_t>(b.out * b.rank));
    transpose(out.data(), values + b.offset_bt, b.rank, b.out);
    tensors.push_back(
        stored_view<float>(tensor_name(adapter.layout(), b, "lora_A"), {b.rank, b.in},
                           {values + b.offset_a, static_cast<size_t>(b.rank * b.in)}));
    tensors.push_back(stored_view<float>(tensor_name(adapter.layout(), b, "lora_B"),
                                         {b.out, b.rank}, std::span<const float>(out)));
  }
  write_values(folder, tensors, adapter.options());
  write_json(folder / "adapter_config.json", config);
}

LoraOptions load_peft_options(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "adapter_config.json";
  const Json json = read_json(path);
  if (!json.is_object()) {
    throw Error(ErrorKind::kFormat, fmt::format("[peft] expected an object ({})", path.string()));
  }
  refuse_unsupported(json, path.string());
  if (type_of(json) != kLora) return prompt_options(json, path.string());
  LoraOptions options;
  try {
    options.rank = json.at("r");
    options.alpha = json.at("lora_alpha");
    options.dropout = json.value("lora_dropout", 0.0);
    options.rslora = json.value("use_rslora", false);
    options.targets.clear();
    const Json& targets = json.at("target_modules");
    if (!targets.is_array()) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("[peft] target_modules {} is not a list of module names ({})",
                              targets.dump(), path.string()));
    }
    // PEFT writes a set: bring it into the order of the block, so that layouts do not depend on it.
    const std::set<std::string> names = targets.get<std::set<std::string>>();
    for (const std::string& name : names) {
      try {
        parse_module(name);
      } catch (const Error& e) {
        throw Error(
            ErrorKind::kUnsupported,
            fmt::format("[peft] target module {} is not supported ({})", name, path.string()),
            e.hint());
      }
    }
    for (const Module m : kAllModules) {
      if (names.contains(std::string(module_name(m)))) options.targets.emplace_back(module_name(m));
    }
  } catch (const Json::exception& e) {
    throw Error(ErrorKind::kFormat, fmt::format("[peft] {} ({})", what_is_wrong(e), path.string()));
  }
  if (options.rank <= 0 || options.targets.empty()) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[peft] expected a positive r and target modules ({})", path.string()));
  }
  return options;
}

Adapter load_peft(const std::filesystem::path& folder, const ModelConfig& config) {
  const LoraOptions options = load_peft_options(folder);
  const std::filesystem::path path = folder / kValues;
  const SafetensorsFile file(path);
  if (options.prompts.rows > 0) return load_prompts(file, config, options);
  Adapter adapter(config, options);
  auto* values = adapter.values().ptr<float>();
  size_t used = 0;
  for (const LoraBlock& b : adapter.layout().blocks()) {
    const auto read = [&](const char* factor, std::vector<int64_t> shape) {
      const StoredTensor& stored = file.tensor(tensor_name(adapter.layout(), b, factor));
      if (stored.shape != shape) {
        throw Error(ErrorKind::kFormat,
                    fmt::format("[peft] expected shape ({}, {}) for {}, got {} ({})", shape[0],
                                shape[1], stored.name, stored.describe(), path.string()),
                    "The adapter was made for another base model or rank.");
      }
      std::vector<float> out(static_cast<size_t>(stored.size()));
      expand_finite_rows(out.data(), stored, 0, shape[0]);
      ++used;
      return out;
    };
    const std::vector<float> a = read("lora_A", {b.rank, b.in});
    std::copy(a.begin(), a.end(), values + b.offset_a);
    const std::vector<float> out_by_rank = read("lora_B", {b.out, b.rank});
    transpose(values + b.offset_bt, out_by_rank.data(), b.out, b.rank);
  }
  if (used != file.tensors().size()) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("[peft] {} of {} tensors belong to no target module of this model ({})",
                            file.tensors().size() - used, file.tensors().size(), path.string()),
                "The adapter was made for another base model.");
  }
  require_whole(file, options);
  return adapter;
}

}  // namespace ilora
