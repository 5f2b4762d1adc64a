#include <fmt/ranges.h>

#include <string>
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
  family(kGranite)             \
  family(kPhi3)                \
  family(kGemma2)              \
  family(kGemma3)
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
  throw Error(ErrorKind::kUnsupported,
              fmt::format("[model] {} '{}' is not supported ({})",
                          gguf ? "architecture" : "model_type", type, where),
              fmt::format("ilora reads {} of: {}.", gguf ? "GGUF files" : "folders",
                          fmt::join(known, ", ")));
}

}  // namespace ilora
