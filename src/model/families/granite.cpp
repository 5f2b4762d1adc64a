// Granite 3's dense models (IBM 2024): a Llama with multipliers of embeddings, scores, residual
// branches and logits.
#include <cmath>

#include "base/error.h"
#include "model/families/common.h"

namespace ilora {
namespace {

struct Multipliers {
  double embedding, attention, residual, logits;
};

void apply(const Multipliers& m, ModelConfig& config, const std::string& where) {
  if (!(m.logits > 0)) {
    throw Error(
        ErrorKind::kFormat,
        fmt::format("[model] expected a positive divisor of logits, got {} ({})", m.logits, where));
  }
  config.embedding_multiplier = m.embedding;
  config.logit_scale = 1.0 / m.logits;
  for (BlockConfig& block : config.blocks) {
    block.residual_multiplier = m.residual;
    block.query_scale = m.attention * std::sqrt(static_cast<double>(config.head_dim));
  }
}

void read_folder(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, {.attention_bias = true, .mlp_bias = true});
  apply({keys.number("embedding_multiplier", 1.0), keys.number("attention_multiplier", 1.0),
         keys.number("residual_multiplier", 1.0), keys.number("logits_scaling", 1.0)},
        config, keys.where());
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config);
  const double plain = 1.0 / std::sqrt(static_cast<double>(config.head_dim));
  // Files have no key whose value is 0; a scale of scores that is not said is attention's own.
  apply({keys.number("embedding_scale", 1.0), keys.number("attention.scale", plain),
         keys.number("residual_scale", 1.0), keys.number("logit_scale", 1.0)},
        config, keys.where());
}

}  // namespace

extern const ModelFamily kGranite = {.name = "Granite",
                                     .model_type = "granite",
                                     .architecture = "granite",
                                     .names = {.interleaved_in_gguf = true},
                                     .from_folder = read_folder,
                                     .from_gguf = read_gguf};

}  // namespace ilora
