#include "train/workbench.h"

#include "base/error.h"

namespace ilora {
namespace {

EngineOptions engine_options(const Recipe& recipe) {
  EngineOptions options;
  options.max_tokens = recipe.max_tokens;
  options.label_chunk = recipe.label_chunk;
  options.recompute = recipe.recompute == "layer";
  options.decoding = recipe.decoding == "exact" ? Decoding::kExact : Decoding::kBlocks;
  return options;
}

}  // namespace

Workbench::Workbench(const LoadedModel& base, const Recipe& recipe)
    : model(base),
      profile(recipe.profile ? std::make_optional<ProfiledKernels>(base.kernels) : std::nullopt),
      engine(base.config(), base.weights, profile ? profile->table() : base.kernels,
             engine_options(recipe)),
      encoder(base.tokenizer, recipe.encoding(), base.config().context) {
  const Tokenizer& tokenizer = base.tokenizer;
  for (const int32_t id : {encoder.end_token(), tokenizer.adds_bos() ? tokenizer.bos() : 0}) {
    if (id < base.config().vocabulary) continue;
    throw Error(ErrorKind::kFormat,
                fmt::format("[model] the tokenizer's token {} is beyond the model's {} embeddings "
                            "({})",
                            id, base.config().vocabulary, base.files.path().string()),
                "Tokenizer and weights do not belong together: tokens were added without resizing "
                "the embeddings.");
  }
}

}  // namespace ilora
