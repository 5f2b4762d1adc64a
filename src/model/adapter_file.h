// An adapter from wherever one may lie: a PEFT folder, or a LoRA file in GGUF.
//
// Callers: lora.start, `generate` and `chat --adapter`, `ilora export`, the benchmarks. Adapters of a
// run are PEFT folders, and are read as such.
#pragma once

#include <filesystem>

#include "model/adapter.h"
#include "model/model_files.h"

namespace ilora {

// The options alone, or the adapter for a model. Throws what peft.h and gguf_lora.h do, and
// Error(kFile) where `path` is neither.
LoraOptions load_adapter_options(const std::filesystem::path& path);
Adapter load_adapter(const std::filesystem::path& path, const ModelFiles& base);

}  // namespace ilora
