// SmolLM3 (Hugging Face 2025): a Llama in which every fourth layer turns no heads (NoPE, Kazemnejad
// et al. 2023). Layers without positions may look back over a window.
#include "base/json.h"
#include "model/families/common.h"

namespace ilora {
namespace {

constexpr DecoderDefaults kDefaults = {.context = 32768,
                                       .rotary_base = 2e6,
                                       .tied_embeddings = true,
                                       .layer_types = true,
                                       .attention_bias = true,
                                       .mlp_bias = true};
constexpr int64_t kStep = 4;  // GGUF files do not say it

void read_folder(const FolderKeys& keys, ModelConfig& config) {
  read_decoder(keys, config, kDefaults);
  const int64_t step = keys.integer("no_rope_layer_interval", kStep);
  std::vector<double> turns;  // by layer: 0 where it turns nothing
  if (keys.has("no_rope_layers")) turns = keys.numbers("no_rope_layers");
  for (size_t l = 0; l < config.blocks.size(); ++l) {
    const bool still = l < turns.size() ? turns[l] == 0 : (static_cast<int64_t>(l) + 1) % step == 0;
    if (still) config.blocks[l].rotary = -1;
  }
  const bool on = keys.boolean("use_sliding_window", false);
  const int64_t window = on ? keys.integer("sliding_window", 0) : 0;
  read_windows(keys, config, window,
               [&](int64_t l) { return window > 0 && config.block(l).rotary < 0; });
}

void read_gguf(const GgufKeys& keys, ModelConfig& config) {
  DecoderDefaults defaults = kDefaults;
  defaults.layer_types = false;
  read_decoder(keys, config, defaults);
  for (size_t l = kStep - 1; l < config.blocks.size(); l += kStep) config.blocks[l].rotary = -1;
}

}  // namespace

extern const ModelFamily kSmolLm3 = {.name = "SmolLM3",
                                     .model_type = "smollm3",
                                     .architecture = "smollm3",
                                     .names = {.interleaved_in_gguf = true},
                                     .from_folder = read_folder,
                                     .from_gguf = read_gguf};

}  // namespace ilora
