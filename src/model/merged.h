// A base model with an adapter added to its weights, W + s B A, written as a model of its own: a GGUF
// file of a GGUF base, a Hugging Face folder of a folder. Called by `ilora export` (cli/export.cpp).
//
// One tensor is in memory at a time. What no adapter touches and keeps its type is copied byte for
// byte, as are a GGUF file's metadata.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>

#include "model/adapter.h"
#include "model/model_files.h"

namespace ilora {

// Over the maps that the adapter changes, all of them as one vector.
struct MergeReport {
  int64_t maps = 0;
  double change = 0;    // |s B A|
  double rounding = 0;  // |what is stored - (W + s B A)|
  // Of all matrices, those whose rows hold no whole blocks of the type asked for: how many became which.
  std::map<DType, int64_t> instead;
};

// `type`: of all matrices; none: each keeps its own. With a type of 4 or 5 bits embedding and head
// are Q8_0, with one of the K types Q6_K. Rows that do not hold whole blocks of 32 are F16; those that
// do not hold whole blocks of 256 Q5_0, Q5_1 or Q8_0 in the place of Q4_K, Q5_K, Q6_K. Vectors keep
// theirs. Throws Error(kUnsupported) naming what cannot be: soft prompts, a base that is a folder, a
// matrix whose own type ilora does not write (Q2_K, IQ4_XS).
MergeReport write_merged_gguf(const std::filesystem::path& path, const ModelFiles& base,
                              const Adapter& adapter, std::optional<DType> type);

// Fills an empty folder: model.safetensors, config.json and the files of the tokenizer beside it.
// `type`: kF32, kF16 or kBF16, or none. The base is a folder.
MergeReport write_merged_folder(const std::filesystem::path& folder, const ModelFiles& base,
                                const Adapter& adapter, std::optional<DType> type);

}  // namespace ilora
