#include "train/loaded_model.h"

#include <utility>

#include "base/error.h"
#include "formats/gguf.h"
#include "train/mode_choice.h"

namespace ilora {
namespace {

ModelOptions settled(ModelOptions options, const ModelConfig& config) {
  options.mode = settled_mode(options.mode, config);
  return options;
}

}  // namespace

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

WeightStorage weight_storage_of(const std::string& weights) {
  return weights == "stored" ? WeightStorage::kStored : WeightStorage::kExpanded;
}

LoadedModel::LoadedModel(ModelFiles opened, const ModelOptions& how, std::optional<Tokenizer> read)
    : files(std::move(opened)),
      options(settled(how, files.config())),
      tokenizer(read ? std::move(*read) : load_tokenizer(files)),
      selection(options.kernels, bf16_products_of(options.mode)),
      kernels(selection.table()),
      weights(files, kernels.state, product_form_of(options.mode),
              weight_storage_of(options.weights)) {}

LoadedModel::LoadedModel(const ModelOptions& how) : LoadedModel(open_model(how), how) {}

}  // namespace ilora
