// EXAONE 4 (LG AI Research 2025): norms behind attention and feed-forward, heads of queries and keys
// normed. Where some layers look back over a window, the others turn no heads.
#include "model/families/common.h"

namespace ilora {
namespace {

constexpr int64_t kWindow = 4096, kPeriod = 4;

void shape(ModelConfig& config, bool has_windows) {
  for (BlockConfig& block : config.blocks) {
    block.pre_norms = false;
    block.post_norms = true;
    block.head_norm = HeadNorm::kHead;
    if (has_windows && block.window == 0) block.rotary = -1;
  }
}

void read_folder(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, {.norm_epsilon = 1e-5, .layer_types = true});
  const int64_t window =
      keys.is_null("sliding_window") ? 0 : keys.integer("sliding_window", kWindow);
  // The pattern may be a text; files that have one have layer_types too.
  const bool by_type = keys.has("layer_types") || window == 0;
  const int64_t period = by_type ? kPeriod : keys.integer("sliding_window_pattern", kPeriod);
  if (period <= 0) refuse(keys.where(), "sliding_window_pattern below 1");
  read_windows(keys, config, window,
               [&](int64_t l) { return window > 0 && (l + 1) % period != 0; });
  shape(config, window > 0);
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, {.layer_types = true});
  read_windows(keys, config, kPeriod);
  shape(config, keys.integer("attention.sliding_window", 0) > 0);
}

}  // namespace

extern const ModelFamily kExaone4 = {.name = "EXAONE 4",
                                     .model_type = "exaone4",
                                     .architecture = "exaone4",
                                     .from_folder = read_folder,
                                     .from_gguf = read_gguf};

}  // namespace ilora
