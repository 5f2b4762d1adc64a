#include "train/workbench.h"

#include "base/error.h"
#include "base/parallel.h"
#include "formats/gguf.h"
#include "kernels/profile.h"

namespace ilora {
namespace {

const Kernels& named_kernels(const std::string& name) {
  if (name == "reference") return reference_kernels(DType::kF32);
  if (name == "check") return check_kernels(cpu_kernels(), reference_kernels(DType::kF32));
  return cpu_kernels();
}

const Kernels& choose_kernels(const Recipe& recipe) {
  if (recipe.threads > 0) set_threads(static_cast<int>(recipe.threads));
  const Kernels& kernels = named_kernels(recipe.kernels);
  return recipe.profile ? profile_kernels(kernels) : kernels;
}

}  // namespace

ModelFiles open_model(const Recipe& recipe) {
  if (recipe.model.empty()) {
    throw Error(ErrorKind::kUsage, "[model] no model is named (model.path)",
                "Set model.path to a GGUF file or a Hugging Face folder; scripts/model.sh obtains "
                "a small one.");
  }
  recipe.require_found(recipe.model);
  return ModelFiles(recipe.model);
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

Tokenizer load_tokenizer(const ModelFiles& files) {
  return files.gguf() != nullptr ? Tokenizer::from_gguf(*files.gguf())
                                 : Tokenizer::from_folder(files.path());
}

Workbench::Workbench(const Recipe& recipe)
    : files(open_model(recipe)), kernels(choose_kernels(recipe)) {
  weights = std::make_unique<Weights>(
      files, kernels.state, gemm_type_of(recipe.mode),
      recipe.weights == "stored" ? WeightStorage::kStored : WeightStorage::kExpanded);
  EngineOptions options;
  options.max_tokens = recipe.max_tokens;
  options.label_chunk = recipe.label_chunk;
  options.loss = recipe.loss();
  options.recompute = recipe.recompute == "layer";
  engine = std::make_unique<Engine>(files.config(), *weights, kernels, options);
  tokenizer = std::make_unique<Tokenizer>(load_tokenizer(files));
  encoder = std::make_unique<Encoder>(*tokenizer, recipe.encoding(), files.config().context);
  for (const int32_t id : {encoder->end_token(), tokenizer->adds_bos() ? tokenizer->bos() : 0}) {
    if (id < files.config().vocabulary) continue;
    throw Error(ErrorKind::kFormat,
                fmt::format("[model] the tokenizer's token {} is beyond the model's {} embeddings "
                            "({})",
                            id, files.config().vocabulary, files.path().string()),
                "Tokenizer and weights do not belong together: tokens were added without resizing "
                "the embeddings.");
  }
}

}  // namespace ilora
