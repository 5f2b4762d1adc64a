// OLMo 2 (OLMo team 2024) and OLMo 3 (2025): norms stand behind attention and feed-forward instead of
// before them, and queries and keys are normed over all heads together. In OLMo 3 three layers of four
// look back over a window, and a scaling of rotary positions holds for the others alone. GGUF files of
// both call themselves olmo2 and keep the rows of q and k in order.
#include "model/families/common.h"
#include "model/families/rotary_keys.h"

namespace ilora {
namespace {

constexpr int64_t kPeriod = 4, kWindow = 4096;  // of OLMo 3
constexpr double kBase = 5e5;

void move_norms(ModelConfig& config) {
  for (BlockConfig& block : config.blocks) {
    block.pre_norms = false;
    block.post_norms = true;
    block.head_norm = HeadNorm::kWidth;
  }
}

void turn(ModelConfig& config, const RotarySpec& full, const RotarySpec& sliding) {
  config.rotary = {full, sliding};
  for (BlockConfig& block : config.blocks) block.rotary = block.window > 0 ? 1 : 0;
}

void read_second(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, {.norm_epsilon = 1e-5, .attention_bias = true});
  move_norms(config);
}

// rope_parameters by type of layer, or rope_theta and a rope_scaling, which transformers 5.24 gives to
// the layers without a window alone.
void read_third(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(
      keys, config,
      {.norm_epsilon = 1e-5, .one_rotary = false, .layer_types = true, .attention_bias = true});
  move_norms(config);
  const int64_t window =
      keys.is_null("sliding_window") ? 0 : keys.integer("sliding_window", kWindow);
  read_windows(keys, config, window,
               [&](int64_t l) { return window > 0 && (l + 1) % kPeriod != 0; });
  const FolderKeys parameters = keys.object("rope_parameters");
  const FolderKeys scaling = keys.object("rope_scaling");
  if (!parameters.empty() && !scaling.empty())
    refuse(keys.where(), "rope_scaling beside rope_parameters by type of layer");
  if (!parameters.empty() && !parameters.has_objects())
    refuse(keys.where(), "rope_parameters of an OLMo 3 that are not by type of layer");
  const double base = keys.number("rope_theta", kBase);
  turn(config,
       read_rotary(keys, scaling.empty() ? parameters.object("full_attention") : scaling, config,
                   base),
       read_rotary(keys, parameters.object("sliding_attention"), config, kBase));
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, {.layer_types = true});
  move_norms(config);
  if (keys.integer("attention.sliding_window", 0) == 0) return;
  read_windows(keys, config, kPeriod);
  RotarySpec sliding;
  sliding.base = config.rotary[0].base;
  sliding.dims = config.head_dim;
  turn(config, config.rotary[0], sliding);
}

}  // namespace

extern const ModelFamily kOlmo2 = {.name = "OLMo 2",
                                   .model_type = "olmo2",
                                   .architecture = "olmo2",
                                   .from_folder = read_second,
                                   .from_gguf = read_gguf};
extern const ModelFamily kOlmo3 = {
    .name = "OLMo 3", .model_type = "olmo3", .converts_to = "olmo2", .from_folder = read_third};

}  // namespace ilora
