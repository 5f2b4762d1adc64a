#include "model/adapter_file.h"

#include "base/error.h"
#include "base/file.h"
#include "model/gguf_lora.h"
#include "model/peft.h"

namespace ilora {
namespace {

// Whether it is a file of GGUF; else it is a folder.
bool is_gguf(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path))
    throw Error(ErrorKind::kFile,
                fmt::format("[adapter] there is no file or folder {}", path.string()),
                "Give a PEFT folder, or a LoRA file in GGUF.");
  if (std::filesystem::is_directory(path)) return false;
  const MappedFile file(path);
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()),
                               file.bytes().size());
  if (bytes.starts_with("GGUF")) return true;
  throw Error(
      ErrorKind::kFile,
      fmt::format("[adapter] expected a PEFT folder or a LoRA file in GGUF, got {}", path.string()),
      "Of a PEFT adapter name the folder, with adapter_config.json in it.");
}

}  // namespace

LoraOptions load_adapter_options(const std::filesystem::path& path) {
  return is_gguf(path) ? load_gguf_lora_options(path) : load_peft_options(path);
}

Adapter load_adapter(const std::filesystem::path& path, const ModelFiles& base) {
  return is_gguf(path) ? load_gguf_lora(path, base) : load_peft(path, base.config());
}

}  // namespace ilora
