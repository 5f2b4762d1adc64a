#include <fmt/ranges.h>

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "model/families/family.h"

namespace ilora {

// One line per family; each is defined in the file of its name, or of its line of names.
// clang-format off
#define ILORA_FAMILIES(family) \
  family(kLlama)               \
  family(kMistral)             \
  family(kQwen2)               \
  family(kQwen3)               \
  family(kSmolLm3)             \
  family(kOlmo2)               \
  family(kOlmo3)               \
  family(kMinistral)           \
  family(kMinistral3)          \
  family(kGlm4)                \
  family(kExaone4)             \
  family(kCohere)              \
  family(kCohere2)             \
  family(kStableLm)            \
  family(kStarCoder2)          \
  family(kGranite)             \
  family(kPhi3)                \
  family(kGemma2)              \
  family(kGemma3)              \
  family(kGemma4)              \
  family(kGemma4Unified)
// clang-format on

#define ILORA_DECLARE(name) extern const ModelFamily name;
#define ILORA_LIST(name) &name,
ILORA_FAMILIES(ILORA_DECLARE)

ModelFamilies model_families() {
  static constexpr const ModelFamily* kFamilies[] = {ILORA_FAMILIES(ILORA_LIST)};
  return kFamilies;
}
#undef ILORA_LIST
#undef ILORA_DECLARE
#undef ILORA_FAMILIES

namespace {

// What a name says of a model that no block computes, whatever its family; else empty.
std::string_view kind_of(std::string_view type) {
  static constexpr std::pair<std::string_view, std::string_view> kKinds[] = {
      {"moe", "a mixture of experts"},
      {"mixtral", "a mixture of experts"},
      {"deepseek", "a mixture of experts"},
      {"gpt_oss", "a mixture of experts"},
      {"gpt-oss", "a mixture of experts"},
      {"llama4", "a mixture of experts"},
      {"dbrx", "a mixture of experts"},
      {"mamba", "a state-space model"},
      {"rwkv", "a linear recurrence"},
      {"jamba", "a hybrid of attention and state-space layers"},
      {"hybrid", "a hybrid of attention and other layers"},
      {"falcon_h1", "a hybrid of attention and state-space layers"},
      {"falcon-h1", "a hybrid of attention and state-space layers"},
      {"nemotron_h", "a hybrid of attention and state-space layers"},
      {"lfm", "a hybrid of attention and convolutions"},
      {"qwen3_next", "a hybrid with linear attention"},
      {"qwen3next", "a hybrid with linear attention"},
      {"qwen3_5", "a hybrid with linear attention"},
      {"qwen35", "a hybrid with linear attention"}};
  for (const auto& [part, kind] : kKinds) {
    if (type.find(part) != type.npos) return kind;
  }
  return {};
}

}  // namespace

const ModelFamily& find_family(ModelFamilies families, FileKind kind, std::string_view type,
                               const std::string& where) {
  const bool gguf = kind == FileKind::kGguf;
  std::vector<std::string> known;
  for (const ModelFamily* family : families) {
    const std::string_view own = gguf ? family->architecture : family->model_type;
    if (own.empty()) continue;
    if (own == type) return *family;
    known.push_back(fmt::format("{} ({})", own, family->name));
  }
  const std::string_view known_kind = kind_of(type);
  throw Error(
      ErrorKind::kUnsupported,
      fmt::format("[model] {} '{}'{}{} is not supported ({})", gguf ? "architecture" : "model_type",
                  type, known_kind.empty() ? "" : ", ", known_kind, where),
      fmt::format("ilora reads {} of dense models: {}.", gguf ? "GGUF files" : "folders",
                  fmt::join(known, ", ")));
}

}  // namespace ilora
