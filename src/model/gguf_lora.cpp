#include "model/gguf_lora.h"

#include <algorithm>
#include <map>
#include <memory>

#include "base/error.h"
#include "formats/check.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "model/adapter_parts.h"
#include "model/families/family.h"
#include "model/gguf_form.h"
#include "model/row_order.h"

namespace ilora {
namespace {

constexpr const char* kA = ".lora_a";
constexpr const char* kB = ".lora_b";
constexpr const char* kAlpha = "adapter.lora.alpha";

[[noreturn]] void refuse(const std::string& message, const std::string& hint = {}) {
  throw Error(ErrorKind::kUnsupported, "[gguf] " + message, hint);
}
[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorKind::kFormat, "[gguf] " + message, "Convert the adapter again.");
}

// ---- writing -----------------------------------------------------------------------------------

// (rows, columns) to be stored.
PlannedTensor planned_factor(std::string name, DType type, std::vector<float> values,
                             int64_t rows) {
  const auto columns = static_cast<int64_t>(values.size()) / rows;
  const auto shared = std::make_shared<const std::vector<float>>(std::move(values));
  PlannedTensor planned{std::move(name), type, {rows, columns}, {}};
  planned.fill = [shared, type, what = planned.name](std::span<std::byte> out) {
    fill_elements(out, type, *shared, what);
  };
  return planned;
}

// ---- reading -----------------------------------------------------------------------------------

struct LoraFile {
  explicit LoraFile(const std::filesystem::path& path);

  // The scale of a map of rank r, as llama.cpp has it.
  double scaling(int64_t rank) const {
    return alpha != 0 ? alpha / static_cast<double>(rank) : 1.0;
  }

  GgufFile file;
  const ModelFamily* family = nullptr;
  double alpha = 0;
  std::map<std::string, std::pair<const StoredTensor*, const StoredTensor*>> maps;  // a and b
};

LoraFile::LoraFile(const std::filesystem::path& path) : file(path) {
  const std::string type = file.text("general.type", "model");
  if (type != "adapter")
    refuse(fmt::format("expected an adapter (general.type), got '{}' ({})", type, file.name()),
           "A model is named by --model or model.path.");
  const std::string kind = file.text("adapter.type", "");
  if (kind != "lora")
    refuse(fmt::format("adapter.type '{}' is not supported ({})", kind, file.name()));
  if (file.find("adapter.alora.invocation_tokens") != nullptr)
    refuse(
        fmt::format("aLoRA (adapter.alora.invocation_tokens) is not supported ({})", file.name()));
  family = &find_family(model_families(), FileKind::kGguf, file.text("general.architecture"),
                        file.name());
  alpha = file.number(kAlpha);
  for (const StoredTensor& tensor : file.tensors()) {
    const bool a = tensor.name.ends_with(kA), b = tensor.name.ends_with(kB);
    if (!a && !b)
      refuse(fmt::format("the tensor {} of an adapter is not supported ({})",
                         printable(tensor.name), file.name()),
             "llama.cpp's converter writes norms that were trained beside LoRA so; ilora has no "
             "place for them.");
    auto& map = maps[tensor.name.substr(0, tensor.name.size() - std::string_view(kA).size())];
    (a ? map.first : map.second) = &tensor;
  }
  for (const auto& entry : maps) {
    const auto& pair = entry.second;
    if (pair.first == nullptr || pair.second == nullptr)
      fail(fmt::format("expected {}{} and {}, got one of them ({})", printable(entry.first), kA, kB,
                       file.name()));
    if (pair.first->shape.size() != 2 || pair.second->shape.size() != 2 ||
        pair.first->shape[0] != pair.second->shape[1])
      fail(fmt::format("expected factors (r,in) and (out,r), got {} and {} ({})",
                       pair.first->describe(), pair.second->describe(), file.name()));
  }
  if (maps.empty()) fail(fmt::format("expected LoRA, got no tensors ({})", file.name()));
}

// The end of a map's name after its block, "attn_q.weight": which module that is. Joined maps and
// their parts share a name, and a family has either.
std::optional<Module> module_of(const ModelFamily& family, const std::string& name) {
  for (const Module m : kAllModules) {
    if (!has_module(family.maps, m)) continue;
    const TensorName& end = family.names.linear[static_cast<size_t>(m)];
    if (name.ends_with(fmt::format(".{}.weight", end.gguf))) return m;
  }
  return std::nullopt;
}

LoraOptions options_of(const LoraFile& lora) {
  LoraOptions options;
  options.targets.clear();
  options.rank = 0;
  std::array<bool, kModules> found{};
  for (const auto& entry : lora.maps) {
    const auto module = module_of(*lora.family, entry.first);
    if (!module)
      refuse(
          fmt::format("LoRA of {} is not supported ({})", printable(entry.first), lora.file.name()),
          fmt::format("Supported are the linear maps of blocks: {}.",
                      module_names(lora.family->maps)));
    found[static_cast<size_t>(*module)] = true;
    options.rank = std::max(options.rank, entry.second.first->shape[0]);
  }
  for (const Module m : kAllModules) {
    if (found[static_cast<size_t>(m)]) options.targets.emplace_back(module_name(m));
  }
  options.alpha = lora.alpha != 0 ? lora.alpha : static_cast<double>(options.rank);
  return options;
}

std::vector<float> read_factor(const StoredTensor& stored, std::array<int64_t, 2> shape,
                               const std::vector<int32_t>& order, const std::string& where) {
  if (stored.shape != std::vector<int64_t>{shape[0], shape[1]})
    throw Error(ErrorKind::kFormat,
                fmt::format("[gguf] expected shape ({}, {}) for {}, got {} ({})", shape[0],
                            shape[1], stored.name, stored.describe(), where),
                "The adapter was made for another base model.");
  std::vector<float> values(static_cast<size_t>(stored.size()));
  for (int64_t r = 0; r < shape[0]; ++r) {
    const int64_t source = order.empty() ? r : order[static_cast<size_t>(r)];
    expand_finite_rows(&values[static_cast<size_t>(r * shape[1])], stored, source, source + 1);
  }
  return values;
}

}  // namespace

void save_gguf_lora(const std::filesystem::path& path, const Adapter& adapter,
                    const ModelFiles& base, DType type) {
  const ModelConfig& config = base.config();
  ILORA_CHECK(type == DType::kF32 || type == DType::kF16, "a LoRA file of {}", dtype_name(type));
  const AdapterLayout& layout = adapter.layout();
  if (layout.prompts().rows > 0)
    refuse("soft prompts have no form in a GGUF LoRA file",
           "Methods that train LoRA (such as ilora, er, seq) can be exported so.");
  if (adapter.scaling() == 0)
    refuse("a LoRA of scale 0 (lora.alpha) has no form in GGUF: llama.cpp reads it as 1");
  GgufWriter writer;
  writer.text("general.architecture", gguf_architecture(base));
  writer.text("general.type", "adapter");
  writer.u32("general.file_type", type == DType::kF32 ? 0 : 1);
  writer.text("adapter.type", "lora");
  const double alpha = adapter.options().rslora
                           ? adapter.scaling() * static_cast<double>(adapter.options().rank)
                           : adapter.options().alpha;
  writer.f32(kAlpha, static_cast<float>(alpha));
  const float* values = adapter.values().ptr<float>();
  for (const LoraBlock& b : layout.blocks()) {
    const std::string name =
        config.names.linear_in_block(FileKind::kGguf, b.layer, b.module) + ".weight";
    const std::vector<float> a(values + b.offset_a, values + b.offset_a + b.rank * b.in);
    writer.add(planned_factor(name + kA, type, a, b.rank));
    const std::vector<int32_t> order = gguf_rows(config, b.module, b.out);
    writer.add(
        planned_factor(name + kB, type, in_file_order(lora_b(adapter, b), b.out, order), b.out));
  }
  writer.write(path);
}

LoraOptions load_gguf_lora_options(const std::filesystem::path& path) {
  return options_of(LoraFile(path));
}

Adapter load_gguf_lora(const std::filesystem::path& path, const ModelFiles& base) {
  const LoraFile lora(path);
  const ModelConfig& config = base.config();
  const std::string architecture = gguf_architecture(base);
  if (lora.family->architecture != architecture)
    refuse(
        fmt::format("expected an adapter for the model's architecture '{}', got one for '{}' ({})",
                    architecture, lora.family->architecture, lora.file.name()),
        "The adapter was made for another base model.");
  const LoraOptions options = options_of(lora);
  const AdapterLayout layout(config, options);
  std::vector<LoraPart> parts;
  for (const LoraBlock& b : layout.blocks()) {
    const auto found = lora.maps.find(
        config.names.linear_in_block(FileKind::kGguf, b.layer, b.module) + ".weight");
    if (found == lora.maps.end()) continue;
    const StoredTensor *a = found->second.first, *bt = found->second.second;
    const int64_t rank = a->shape[0];
    LoraPart& part =
        parts.emplace_back(LoraPart{b.layer, b.module, rank, lora.scaling(rank), {}, {}});
    part.a = read_factor(*a, {rank, b.in}, {}, lora.file.name());
    part.b = read_factor(*bt, {b.out, rank}, gguf_rows(config, b.module, b.out), lora.file.name());
  }
  if (parts.size() != lora.maps.size())
    throw Error(ErrorKind::kFormat,
                fmt::format("[gguf] {} of {} maps are none of this model's ({})",
                            lora.maps.size() - parts.size(), lora.maps.size(), lora.file.name()),
                "The adapter was made for another base model.");
  return adapter_of_parts(config, options, parts, lora.file.name());
}

}  // namespace ilora
