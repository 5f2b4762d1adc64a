// What a model is in GGUF files, whatever files it was read from: what LoRA in GGUF has to say of its
// base (gguf_lora.h).
#pragma once

#include <string>

#include "model/model_files.h"

namespace ilora {

// general.architecture of the model's GGUF file, or of the one that llama.cpp's converter makes of
// its folder. Throws Error(kUnsupported) for a folder whose family has no files in GGUF.
std::string gguf_architecture(const ModelFiles& files);

}  // namespace ilora
