// Adapters as PEFT folders (adapter_config.json, adapter_model.safetensors): written so that PEFT,
// and llama.cpp's converter after it, load them; read back, from here or from PEFT. LoRA, and soft
// prompts as PEFT's prompt tuning. A pool of prompts with keys has no form there: its folder has a
// peft_type of our own, which PEFT refuses.
#pragma once

#include <filesystem>
#include <string>

#include "model/adapter.h"

namespace ilora {

// Writes config and weights atomically; `base_model` is recorded as base_model_name_or_path. Throws
// Error(kUnsupported) for an adapter with both LoRA and soft prompts.
void save_peft(const std::filesystem::path& folder, const Adapter& adapter,
               const std::string& base_model);

// Reads a folder's options alone, or the adapter for a model (of several ranks: adapter_parts.h).
// Throws Error(kFormat) naming file and tensor where one is missing or does not fit the model,
// Error(kUnsupported) for what ilora does not compute (DoRA, biases, modules_to_save).
LoraOptions load_peft_options(const std::filesystem::path& folder);
Adapter load_peft(const std::filesystem::path& folder, const ModelConfig& config);

}  // namespace ilora
