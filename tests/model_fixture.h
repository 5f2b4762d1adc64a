// A small model with its engine, as several tests need it.
#pragma once

#include <filesystem>
#include <string>

#include "kernels/kernels.h"
#include "model/engine.h"
#include "model/weights.h"

namespace ilora::testing {

inline std::filesystem::path golden_folder(const std::string& name) {
  return std::filesystem::path(ILORA_SOURCE_DIR) / "tests" / "golden" / name;
}

// A model read from disk in the types of `kernels`, and an engine on it. `families`: who reads it.
struct TestModel {
  TestModel(const std::filesystem::path& path, const Kernels& kernels, ProductForm form,
            EngineOptions options = {}, WeightStorage storage = WeightStorage::kExpanded,
            ModelFamilies families = model_families())
      : files(path, families),
        weights(files, kernels.state, form, storage),
        engine(files.config(), weights, kernels, options) {}

  ModelFiles files;
  Weights weights;
  Engine engine;
};

inline Row make_row(std::vector<int32_t> tokens, int64_t answer_tokens, uint64_t id = 0) {
  Row row;
  row.prompt_length = static_cast<int64_t>(tokens.size()) - answer_tokens;
  row.tokens = std::move(tokens);
  row.id = id;
  return row;
}

}  // namespace ilora::testing
