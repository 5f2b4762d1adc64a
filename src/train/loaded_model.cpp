#include "train/loaded_model.h"

#include <utility>

#include "base/error.h"
#include "formats/gguf.h"

namespace ilora {
ModelFiles open_model(const ModelOptions& options) {
  if (options.path.empty()) {
    throw Error(ErrorKind::kUsage, "[model] no model is named (model.path)",
                "Set model.path to a GGUF file or a Hugging Face folder; scripts/model.sh obtains "
                "a small one.");
  }
  return ModelFiles(options.path);
}

Tokenizer load_tokenizer(const ModelFiles& files) {
  const int64_t embeddings = files.config().vocabulary;
  return files.gguf() != nullptr ? Tokenizer::from_gguf(*files.gguf(), embeddings)
                                 : Tokenizer::from_folder(files.path(), embeddings);
}

DType gemm_type_of(const std::string& mode) {
  const CpuFeatures cpu = cpu_features();
  if (mode == "f32") return DType::kF32;
  if (mode == "auto") return cpu.bf16_native ? DType::kBF16 : DType::kF32;
  if (!cpu.bf16_possible) {
    throw Error(ErrorKind::kUnsupported,
                "[engine] this CPU cannot run bf16 matrix products (it has no AVX-512)",
                "Use mode f32, or auto.");
  }
  return DType::kBF16;
}

WeightStorage weight_storage_of(const std::string& weights) {
  return weights == "stored" ? WeightStorage::kStored : WeightStorage::kExpanded;
}

LoadedModel::LoadedModel(ModelFiles opened, const ModelOptions& how, std::optional<Tokenizer> read)
    : options(how),
      files(std::move(opened)),
      tokenizer(read ? std::move(*read) : load_tokenizer(files)),
      selection(how.kernels),
      kernels(selection.table()),
      weights(files, kernels.state, gemm_type_of(how.mode), weight_storage_of(how.weights)) {}

LoadedModel::LoadedModel(const ModelOptions& how) : LoadedModel(open_model(how), how) {}

}  // namespace ilora
