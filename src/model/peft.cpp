#include "model/peft.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "model/adapter_parts.h"
#include "model/peft_config.h"

namespace ilora {
namespace {

constexpr const char* kValues = "adapter_model.safetensors";
constexpr const char* kHash = "ilora.hash";  // in its metadata
constexpr const char* kPromptRows = "prompt_embeddings";
constexpr const char* kPromptKeys = "prompt_keys";
constexpr const char* kPromptCentre = "prompt_centre";

std::string tensor_name(const AdapterLayout& layout, const LoraBlock& block, const char* factor) {
  return fmt::format("base_model.model.{}.{}.weight", layout.path(block), factor);
}

// Of the values and of what scales them, so that damage to either file is noticed. `patterns`: of a
// file that was edited; those written here have none.
std::string content_hash(std::span<const StoredTensor> tensors, const LoraOptions& o,
                         const std::string& patterns = {}) {
  const std::string scale = o.prompts.rows > 0
                                ? fmt::format("{} {}", o.prompts.keys, o.prompts.chosen)
                                : fmt::format("{} {} {}{}", o.rank, o.alpha, o.rslora, patterns);
  return hash_digits(hash_tensors(tensors, hash_text(scale)));
}

void write_values(const std::filesystem::path& folder, std::span<const StoredTensor> tensors,
                  const LoraOptions& options) {
  write_safetensors(folder / kValues, tensors,
                    {{"format", "pt"}, {kHash, content_hash(tensors, options)}});
}

// Adapters of other programs, and of earlier versions, have no hash.
void require_whole(const SafetensorsFile& file, const PeftConfig& config) {
  const auto hash = file.metadata().find(kHash);
  if (hash == file.metadata().end() ||
      hash->second == content_hash(file.tensors(), config.options, config.patterns))
    return;
  throw Error(
      ErrorKind::kFormat,
      fmt::format("[peft] expected the adapter that was saved, got another ({})", file.name()),
      "The file is damaged, or r, lora_alpha or use_rslora beside it were edited. An "
      "adapter that is edited on purpose has to lose ilora.hash from its metadata.");
}

// The folder's tensors.
SafetensorsFile open_values(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kValues, pickled = folder / "adapter_model.bin";
  if (!std::filesystem::exists(path) && std::filesystem::exists(pickled)) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("[peft] {} is a pickle, which is not read", pickled.string()),
                "Load the adapter in PEFT and save it again: save_pretrained(FOLDER) writes "
                "adapter_model.safetensors.");
  }
  return SafetensorsFile(path);
}

void save_prompts(const std::filesystem::path& folder, const Adapter& adapter,
                  const std::string& base_model) {
  const AdapterLayout& layout = adapter.layout();
  if (!layout.blocks().empty()) {
    throw Error(ErrorKind::kUnsupported,
                "[peft] an adapter with both LoRA and soft prompts has no PEFT form");
  }
  const PromptShape& shape = layout.prompts();
  Json config = {{"peft_type", shape.keys > 0 ? kPeftPool : kPeftPrompts},
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
    if (shape.centred) {
      config["centred"] = true;
      tensors.push_back(stored(
          kPromptCentre, prompt_centre(adapter.values(), layout).reshaped({1, layout.width()})));
    }
  }
  write_values(folder, tensors, adapter.options());
  write_json(folder / "adapter_config.json", config);
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
                     const PeftConfig& peft) {
  const LoraOptions& options = peft.options;
  Adapter adapter(config, options);
  load_rows(soft_prompts(adapter.values(), adapter.layout()), file, kPromptRows);
  if (options.prompts.keys > 0)
    load_rows(prompt_keys(adapter.values(), adapter.layout()), file, kPromptKeys);
  if (options.prompts.centred) {
    const Tensor centre = prompt_centre(adapter.values(), adapter.layout());
    load_rows(centre.reshaped({1, centre.size()}), file, kPromptCentre);
  }
  require_whole(file, peft);
  return adapter;
}

// What the tensors say where the configuration leaves it to them: the modules, and the largest rank.
void complete(PeftConfig& peft, const SafetensorsFile& file) {
  if (peft.plain()) return;
  LoraOptions& options = peft.options;
  const LoraOptions said = options;
  options.targets.clear();
  int64_t largest = 0;
  std::set<std::string> ends;
  for (const StoredTensor& tensor : file.tensors()) {
    constexpr std::string_view kEnd = ".lora_A.weight";
    if (!tensor.name.ends_with(kEnd) || tensor.shape.empty()) continue;
    const std::string map = tensor.name.substr(0, tensor.name.size() - kEnd.size());
    ends.insert(map.substr(map.rfind('.') + 1));
    largest = std::max(largest, tensor.shape[0]);
  }
  std::array<bool, kModules> found{};
  std::erase_if(ends, [&](const std::string& end) {
    const std::optional<Module> module = find_module(end);
    if (module) found[static_cast<size_t>(*module)] = true;
    return module.has_value();
  });
  for (const Module m : kAllModules) {
    if (found[static_cast<size_t>(m)]) options.targets.emplace_back(module_name(m));
  }
  if (!ends.empty() || options.targets.empty()) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("[peft] LoRA of {} is not supported ({})",
                            ends.empty() ? "no module" : "module " + *ends.begin(), file.name()),
                fmt::format("Supported are {}.", module_names({})));
  }
  if (largest == said.rank) return;
  // One rank for all, and the scale that maps without a pattern have (adapter_parts.h).
  options.rank = largest;
  const auto r = static_cast<double>(largest);
  options.alpha = said.scaling() * (said.rslora ? std::sqrt(r) : r);
}

// Every map that the configuration names has to be there, whatever the tensors say.
void require_wanted(const PeftConfig& peft, const SafetensorsFile& file,
                    const ModelConfig& config) {
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    for (const Module m : kAllModules) {
      if (!config.has(layer, m)) continue;
      const std::string path = config.names.linear_in_block(FileKind::kFolder, layer, m);
      if (peft.wants(path, layer))
        file.tensor(fmt::format("base_model.model.{}.lora_A.weight", path));
    }
  }
}

// What the model's folder calls the targets.
std::vector<std::string> file_targets(const AdapterLayout& layout,
                                      const std::vector<std::string>& targets) {
  std::vector<std::string> ends;
  for (const std::string& target : targets) {
    const auto block = std::ranges::find(layout.blocks(), parse_module(target), &LoraBlock::module);
    ILORA_CHECK(block != layout.blocks().end(), "no block of {}", target);
    const std::string path = layout.path(*block), end = path.substr(path.rfind('.') + 1);
    ends.push_back(find_module(end) == block->module ? end : target);
  }
  return ends;
}

std::vector<float> read_factor(const SafetensorsFile& file, const std::string& name,
                               std::array<int64_t, 2> shape) {
  const StoredTensor& stored = file.tensor(name);
  if (stored.shape != std::vector<int64_t>{shape[0], shape[1]}) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[peft] expected shape ({}, {}) for {}, got {} ({})", shape[0],
                            shape[1], stored.name, stored.describe(), file.name()),
                "The adapter was made for another base model or rank.");
  }
  std::vector<float> out(static_cast<size_t>(stored.size()));
  expand_finite_rows(out.data(), stored, 0, shape[0]);
  return out;
}

}  // namespace

void save_peft(const std::filesystem::path& folder, const Adapter& adapter,
               const std::string& base_model) {
  make_folder(folder);
  if (adapter.layout().prompts().rows > 0) return save_prompts(folder, adapter, base_model);
  const LoraOptions& o = adapter.options();
  const Json config = {{"peft_type", kPeftLora},
                       {"task_type", "CAUSAL_LM"},
                       {"base_model_name_or_path", base_model},
                       {"r", o.rank},
                       {"lora_alpha", o.alpha},
                       {"lora_dropout", o.dropout},
                       {"use_rslora", o.rslora},
                       {"target_modules", file_targets(adapter.layout(), o.targets)},
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
    const std::vector<float>& out = transposed.emplace_back(lora_b(adapter, b));
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
  PeftConfig peft = read_peft_config(folder);
  if (peft.options.prompts.rows == 0 && !peft.plain()) complete(peft, open_values(folder));
  return peft.options;
}

Adapter load_peft(const std::filesystem::path& folder, const ModelConfig& config) {
  PeftConfig peft = read_peft_config(folder);
  const SafetensorsFile file = open_values(folder);
  if (peft.options.prompts.rows > 0) return load_prompts(file, config, peft);
  const PeftConfig said = peft;
  if (!said.plain()) require_wanted(said, file, config);
  complete(peft, file);
  const AdapterLayout layout(config, peft.options);
  std::vector<LoraPart> parts;
  for (const LoraBlock& b : layout.blocks()) {
    const std::string path = layout.path(b);
    if (!said.plain() && !said.wants(path, b.layer)) continue;
    LoraPart& part = parts.emplace_back(
        LoraPart{b.layer, b.module, said.rank_of(path), said.scaling_of(path), {}, {}});
    part.a = read_factor(file, tensor_name(layout, b, "lora_A"), {part.rank, b.in});
    part.b = read_factor(file, tensor_name(layout, b, "lora_B"), {b.out, part.rank});
  }
  if (2 * parts.size() != file.tensors().size()) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("[peft] {} of {} tensors belong to no target module of this model ({})",
                    file.tensors().size() - 2 * parts.size(), file.tensors().size(), file.name()),
        "The adapter was made for another base model.");
  }
  require_whole(file, said);
  return adapter_of_parts(config, peft.options, parts, file.name());
}

}  // namespace ilora
