// Command R (Cohere 2024, model_type cohere) and its second generation (Command R7B and A, cohere2):
// attention and feed-forward side by side after one LayerNorm without a bias, a scale of logits, pairs
// that turn side by side. In the second three layers of four look back over a window, and the others
// turn no heads.
#include "model/families/common.h"

namespace ilora {
namespace {

constexpr int64_t kWindow = 4096, kPeriod = 4;
constexpr double kLogitScale = 0.0625;

DecoderDefaults defaults(bool second) {
  return {.context = 8192,
          .norm_epsilon = 1e-5,
          .epsilon_key = "layer_norm_eps",
          .layer_norm = true,
          .rotary_base = second ? 1e4 : 5e5,
          .tied_embeddings = true,
          .layer_types = second,
          .attention_bias = true};
}

void shape(ModelConfig& config, double logit_scale, bool second) {
  config.logit_scale = logit_scale;
  config.rotary_pairs = true;
  for (BlockConfig& block : config.blocks) {
    block.parallel = true;
    if (second && block.window == 0) block.rotary = -1;
  }
}

void read_first(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, defaults(false));
  if (keys.boolean("use_qk_norm", false))
    refuse(keys.where(), "LayerNorm of heads (use_qk_norm: true)");
  shape(config, keys.number("logit_scale", kLogitScale), false);
}

void read_second(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, defaults(true));
  const int64_t window =
      keys.is_null("sliding_window") ? 0 : keys.integer("sliding_window", kWindow);
  if (window == 0) refuse(keys.where(), "a Cohere 2 without a sliding window");
  const int64_t period = keys.integer("sliding_window_pattern", kPeriod);
  if (period <= 0) refuse(keys.where(), "sliding_window_pattern below 1");
  read_windows(keys, config, window, [&](int64_t l) { return (l + 1) % period != 0; });
  shape(config, keys.number("logit_scale", kLogitScale), true);
}

void read_first(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, defaults(false));
  shape(config, keys.number("logit_scale"), false);
}

void read_second(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, defaults(true));
  if (keys.integer("attention.sliding_window") <= 0)
    refuse(keys.where(), "a Cohere 2 without a sliding window");
  read_windows(keys, config, kPeriod);
  shape(config, keys.number("logit_scale"), true);
}

}  // namespace

extern const ModelFamily kCohere = {.name = "Command R",
                                    .model_type = "cohere",
                                    .architecture = "command-r",
                                    .from_folder = read_first,
                                    .from_gguf = read_first};
extern const ModelFamily kCohere2 = {.name = "Cohere 2",
                                     .model_type = "cohere2",
                                     .architecture = "cohere2",
                                     .from_folder = read_second,
                                     .from_gguf = read_second};

}  // namespace ilora
