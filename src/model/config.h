// What a model is: the figures of its architecture, as data. A family (families/) reads them from
// config.json or from GGUF metadata; the engine and its blocks compute what they say and know no
// family.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "model/module.h"
#include "model/rotary.h"
#include "model/tensor_names.h"

namespace ilora {

class GgufFile;
struct ModelFamily;

enum class HeadNorm : uint8_t {
  kNone,
  kHead,   // over each head
  kWidth,  // over all heads together
};

// Queries at position p are multiplied by 1 + beta log(1 + floor(p / step)) (Llama 4, Ministral 3).
struct PositionScale {
  double beta = 0;  // 0: they stay as they are
  int64_t step = 1;
};

// One layer. Every block has grouped-query attention and a feed-forward, as a rule a gated one
// (Shazeer 2020), each added to the residual stream. What differs between models stands here. The
// defaults cost nothing.
struct BlockConfig {
  bool pre_norms = true;                 // of what attention and the feed-forward read
  bool post_norms = false;               // of what they give, before it is added
  bool parallel = false;                 // both read the block's input, after one norm
  HeadNorm head_norm = HeadNorm::kNone;  // of queries and of keys, before they turn
  bool gelu = false;                     // GELU (kernels.h: geglu, gelu) in place of SiLU
  double soft_cap = 0;                   // of attention's scores (kernels.h); 0: none
  std::array<bool, kModules> bias{};     // which linear maps have one
  int rotary = 0;                        // index into ModelConfig::rotary; -1: no positions
  double query_scale = 1;                // of queries, beside attention's 1/sqrt(Dh)
  PositionScale position_scale;          // of queries
  double residual_multiplier = 1;        // of what the block adds to the residual stream, twice
  int64_t window = 0;  // a position attends so many, itself included; 0: all before it
  int64_t head_dim = 0, kv_heads = 0;  // 0: the model's
  bool value_norm = false;             // RMSNorm over each head of values, without weights
  bool keys_as_values = false;         // values are what the map of keys gives; they have a norm
};

struct ModelConfig {
  std::string name;          // as the file calls itself, for reports
  int64_t layers = 0;        // L
  int64_t width = 0;         // D
  int64_t heads = 0;         // H
  int64_t kv_heads = 0;      // K, divides H
  int64_t head_dim = 0;      // Dh
  int64_t feed_forward = 0;  // F
  int64_t vocabulary = 0;    // V
  int64_t context = 0;       // longest sequence the model was made for
  double norm_epsilon = 1e-5;
  bool layer_norm = false;          // norms are LayerNorm (kernels.h) in place of RMSNorm
  bool norm_bias = false;           // they have biases
  bool rotary_pairs = false;        // pairs that turn lie side by side (kernels.h: rope_pairs)
  std::vector<RotarySpec> rotary;   // the distinct ones
  std::vector<BlockConfig> blocks;  // L
  // Of the embeddings of tokens; soft prompts enter the residual stream as they are.
  double embedding_multiplier = 1;
  double logit_scale = 1;        // logits = logit_scale * hidden * head^T,
  double logit_soft_cap = 0;     // and then cap * tanh(logits / cap); 0: none
  MapForm maps;                  // which linear maps there are
  bool tied_embeddings = false;  // the head is the embedding, unless the file has another
  bool one_of_several = false;   // its folder holds other models beside it
  TensorNames names;

  const BlockConfig& block(int64_t l) const { return blocks[static_cast<size_t>(l)]; }
  // Whether some block has it.
  bool has(Module module) const { return has_module(maps, module); }
  bool post_norms() const;
  bool head_norms() const;
  bool value_norms() const;
  // Layer l's.
  bool has(int64_t l, Module module) const;
  int64_t head_dim_of(int64_t l) const;
  int64_t kv_heads_of(int64_t l) const;
  int64_t query_width(int64_t l) const { return heads * head_dim_of(l); }
  int64_t kv_width(int64_t l) const { return kv_heads_of(l) * head_dim_of(l); }
  // Of the layer that is widest.
  int64_t query_width() const;
  int64_t kv_width() const;
  // Whether all layers' heads are equally many and equally wide.
  bool equal_heads() const;
  // Parameters of a layer's base GEMMs, and of those that read its input (q, k, v).
  int64_t gemm_parameters(int64_t l) const;
  int64_t attention_input_parameters(int64_t l) const;
};

// {in, out} of a module in a layer that has it.
std::array<int64_t, 2> module_shape(const ModelConfig& config, int64_t l, Module module);

// Throw Error(kFormat or kUnsupported) naming the file and the key. Of a folder of several models in
// one (pictures, sound) the text model's, whose keys are under text_config.
ModelConfig config_from_gguf(const GgufFile& file, std::span<const ModelFamily* const> families);
ModelConfig config_from_folder(const std::filesystem::path& folder,
                               std::span<const ModelFamily* const> families);

}  // namespace ilora
