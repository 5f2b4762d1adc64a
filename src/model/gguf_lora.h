// LoRA as a GGUF file, as llama.cpp loads it and its convert_lora_to_gguf.py
// writes it: general.type "adapter", adapter.type "lora", adapter.lora.alpha, and per map NAME of the
// base's file NAME.lora_a (r,in) and NAME.lora_b (out,r). llama.cpp multiplies by alpha over r, so
// another scale, such as rsLoRA's, is in alpha. Rows of B of queries and keys are in the order of
// the base's file (row_order.h).
#pragma once

#include <filesystem>

#include "model/adapter.h"
#include "model/model_files.h"

namespace ilora {

// Writes the file as a whole or not at all. `type`: kF32 or kF16. Throws Error(kUnsupported) for
// soft prompts, for a scale of 0, which llama.cpp reads as 1, and for numbers that F16 does not hold.
void save_gguf_lora(const std::filesystem::path& path, const Adapter& adapter,
                    const ModelFiles& base, DType type);

// Reads a file's options alone, or the whole adapter for a model; one whose maps differ in rank as
// adapter_parts.h says. Throws Error(kFormat) naming file and tensor where something is missing or
// does not fit the model, Error(kUnsupported) for LoRA of other tensors, other kinds of adapters, and
// an adapter for another architecture than the model's.
LoraOptions load_gguf_lora_options(const std::filesystem::path& path);
Adapter load_gguf_lora(const std::filesystem::path& path, const ModelFiles& base);

}  // namespace ilora
