// Ministral (Mistral AI 2024): a Llama some of whose layers look back over a window. Ministral 3 (2025):
// one whose queries are multiplied by what hangs on their positions, beside YaRN; the architecture of
// its GGUF files is also that of Mistral Small 3's text model, which has neither.
#include "model/families/common.h"
#include "model/families/rotary_keys.h"

namespace ilora {
namespace {

constexpr int64_t kWindow =
    4096;  // of Ministral, where config.json has no sliding_window; null: none

void read_first(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, {.context = 131072, .layer_types = true});
  const int64_t window =
      keys.is_null("sliding_window") ? 0 : keys.integer("sliding_window", kWindow);
  read_windows(keys, config, window, [&](int64_t) { return window > 0; });
}

void read_third(const FolderKeys& keys, ModelConfig& config) {
  const FolderKeys parameters = keys.object("rope_parameters");
  if (parameters.empty()) refuse(keys.where(), "a Ministral 3 without rope_parameters");
  read_decoder(keys, config,
               {.head_dim = 128, .context = 262144, .norm_epsilon = 1e-5, .layer_types = true});
  // transformers gives all layers the window whatever this says.
  if (keys.has("layer_types")) refuse(keys.where(), "layer_types of a Ministral 3");
  const PositionScale scale = {
      parameters.number("llama_4_scaling_beta", 0),
      parameters.integer("original_max_position_embeddings", config.context)};
  if (scale.step <= 0) refuse(keys.where(), "original_max_position_embeddings below 1");
  for (BlockConfig& block : config.blocks) {
    block.window = keys.integer("sliding_window", 0);
    block.position_scale = scale;
  }
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, {.one_rotary = false});
  config.rotary = {read_rotary(keys, config, 10000.0, YarnLogMultiplier::kSecondMagnitude)};
  const PositionScale scale = {
      keys.number("attention.temperature_scale", 0.0),
      keys.integer("rope.scaling.original_context_length", config.context)};
  if (scale.step <= 0) refuse(keys.where(), "rope.scaling.original_context_length below 1");
  for (BlockConfig& block : config.blocks) block.position_scale = scale;
}

}  // namespace

extern const ModelFamily kMinistral = {
    .name = "Ministral", .model_type = "ministral", .from_folder = read_first};
extern const ModelFamily kMinistral3 = {.name = "Ministral 3",
                                        .model_type = "ministral3",
                                        .architecture = "mistral3",
                                        .names = {.interleaved_in_gguf = true},
                                        .from_folder = read_third,
                                        .from_gguf = read_gguf};

}  // namespace ilora
