#include "model/gguf_form.h"

#include "base/error.h"
#include "base/json.h"
#include "formats/gguf.h"

namespace ilora {

std::string gguf_architecture(const ModelFiles& files) {
  if (files.gguf() != nullptr) return files.gguf()->text("general.architecture");
  const std::string where = (files.path() / "config.json").string();
  const Json json = read_json(where);
  const std::string type = FolderKeys(json, where).text("model_type");
  if (type == "mistral") return "llama";  // the one that becomes another
  const ModelFamily& family = find_family(model_families(), FileKind::kFolder, type, where);
  if (!family.architecture.empty()) return std::string(family.architecture);
  throw Error(ErrorKind::kUnsupported,
              fmt::format("[gguf] {} has no files in GGUF ({})", family.name, where));
}

bool joins_maps_in_gguf(const ModelFamily& family) {
  return family.architecture == "phi3";
}

}  // namespace ilora
