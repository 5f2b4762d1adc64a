// A model family: whose files it reads, what their keys mean, and what their tensors are called.
// Each has a file beside this one, and a line in families.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "model/config.h"
#include "model/families/keys.h"

namespace ilora {

struct ModelFamily {
  std::string_view name;               // "Llama", for messages
  std::string_view model_type = {};    // of config.json; empty: no folders of it are read
  std::string_view architecture = {};  // general.architecture of GGUF; empty: no files of it are
  // general.architecture of what converters make of its folders, where `architecture` is empty.
  std::string_view converts_to = {};
  bool partial_rotary = false;  // rotary positions may turn a part of each head alone
  MapForm maps = {};
  TensorNames names = {};
  // Fill all of a configuration but `names` and `maps`; most begin with common.h's read_decoder.
  void (*from_folder)(const FolderKeys& keys, ModelConfig& config) = nullptr;
  void (*from_gguf)(const GgufKeys& keys, ModelConfig& config) = nullptr;
};

using ModelFamilies = std::span<const ModelFamily* const>;

// Every family that ilora reads.
ModelFamilies model_families();

// The family whose model_type (architecture, of a GGUF) is `type`. Throws Error(kUnsupported)
// naming it, the file and what is known.
const ModelFamily& find_family(ModelFamilies families, FileKind kind, std::string_view type,
                               const std::string& where);

}  // namespace ilora
