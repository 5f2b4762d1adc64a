// The order of the rows of queries and keys in GGUF files that hold rotary pairs side by side
// (tensor_names.h). Read where weights are loaded, where LoRA travels as GGUF, and where it is merged.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"

namespace ilora {

// Of `count` rows, whole heads: per row of Hugging Face's order the file's.
std::vector<int32_t> interleaved_rows(int64_t count, int64_t head_dim);

// The same of a module's `count` rows in a GGUF file of the model; empty: they are in order.
std::vector<int32_t> gguf_rows(const ModelConfig& config, Module module, int64_t count);

// `values` (rows,columns) of Hugging Face's order in the file's, by such a list; empty: as they are.
std::vector<float> in_file_order(std::vector<float> values, int64_t rows,
                                 const std::vector<int32_t>& order);

}  // namespace ilora
