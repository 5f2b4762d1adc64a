#include "model/gguf_form.h"

#include "base/error.h"
#include "base/json.h"
#include "formats/gguf.h"

namespace ilora {

std::string gguf_architecture(const ModelFiles& files) {
  if (files.gguf() != nullptr) return files.gguf()->text("general.architecture");
  const std::string where = (files.path() / "config.json").string();
  const Json json = read_json(where);
  const FolderKeys whole(json, where),
      text = whole.object("text_config");  // of several models in one
  const std::string type = (text.empty() ? whole : text).text("model_type");
  const ModelFamily& family = find_family(model_families(), FileKind::kFolder, type, where);
  if (!family.architecture.empty()) return std::string(family.architecture);
  if (!family.converts_to.empty()) return std::string(family.converts_to);
  throw Error(ErrorKind::kUnsupported,
              fmt::format("[gguf] {} has no files in GGUF ({})", family.name, where));
}

}  // namespace ilora
