// LoRA adapters (Hu et al. 2021, with PEFT's semantics): one flat float32 vector plus a layout of
// named views. An adapter may hold soft prompts (Lester et al. 2021) beside LoRA's blocks or in
// their place.
//
// Optimiser, clipping, interpolation, distances and checkpoints see the vector; the model sees the
// views.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"
#include "tensor/tensor.h"

namespace ilora {

// The soft-prompt part of an adapter: rows of the model's width.
struct PromptShape {
  int64_t rows = 0;  // P: they stand in front of a row's tokens, in the place of embeddings
  // Keys of a pool, each with rows/keys prompt rows: a text takes the prompts of the `chosen` keys
  // nearest to it (prompt_pool.h). 0: all rows stand in front of every text.
  int64_t keys = 0, chosen = 0;
  bool centred =
      false;  // the pool has a mean of texts, which is taken off each before it is compared
};

struct LoraOptions {
  int64_t rank = 8;
  double alpha = 16;
  double dropout = 0;
  bool rslora = false;  // scale alpha/sqrt(r) in place of alpha/r (Kalajdzievski 2023)
  std::vector<std::string> targets = {"q_proj", "v_proj"};
  PromptShape prompts;

  double scaling() const;
};

// Where the two factors of one module lie in the flat vector. B is kept transposed, (R,out), so
// that both products of forward and backward read rows; PEFT's files hold (out,R).
struct LoraBlock {
  int64_t layer = 0;
  Module module = Module::kQuery;
  int64_t in = 0, out = 0, rank = 0;
  int64_t offset_a = 0;   // A (R,in)
  int64_t offset_bt = 0;  // B^T (R,out)

  std::string name() const;  // "layers.3.self_attn.q_proj", whatever the model's files call it
};

class AdapterLayout {
 public:
  AdapterLayout() = default;
  AdapterLayout(const ModelConfig& config, const LoraOptions& options);

  const std::vector<LoraBlock>& blocks() const { return blocks_; }
  const LoraBlock* find(int64_t layer,
                        Module module) const;  // null where the module carries no LoRA
  // Where the model's Hugging Face folder has the block's map: "model.layers.3.self_attn.q_proj".
  std::string path(const LoraBlock& block) const {
    return names_.linear_in_block(FileKind::kFolder, block.layer, block.module);
  }
  const PromptShape& prompts() const { return prompts_; }
  int64_t width() const { return width_; }  // D, of soft prompts and keys
  int64_t offset_prompts() const { return offset_prompts_; }
  int64_t offset_keys() const { return offset_prompts_ + prompts_.rows * width_; }
  int64_t size() const { return size_; }  // length of the flat vector
  // The lowest layer with a block; -1, the embedding, with soft prompts; L where there is nothing.
  int64_t lowest_layer() const;

 private:
  std::vector<LoraBlock> blocks_;
  std::vector<std::array<int32_t, kModules>> index_;  // per layer; -1: none
  TensorNames names_;
  PromptShape prompts_;
  int64_t width_ = 0, offset_prompts_ = 0;
  int64_t size_ = 0;
};

// The views of one block inside a flat vector (values, gradient, a bf16 copy).
inline Tensor lora_a(Tensor flat, const LoraBlock& b) {
  return flat.rows(b.offset_a, b.offset_a + b.rank * b.in).reshaped({b.rank, b.in});
}
inline Tensor lora_bt(Tensor flat, const LoraBlock& b) {
  return flat.rows(b.offset_bt, b.offset_bt + b.rank * b.out).reshaped({b.rank, b.out});
}

// The soft prompts (P,D) and keys (K,D) inside a flat vector.
inline Tensor soft_prompts(Tensor flat, const AdapterLayout& l) {
  return flat.rows(l.offset_prompts(), l.offset_keys()).reshaped({l.prompts().rows, l.width()});
}
inline Tensor prompt_keys(Tensor flat, const AdapterLayout& l) {
  return flat.rows(l.offset_keys(), l.offset_keys() + l.prompts().keys * l.width())
      .reshaped({l.prompts().keys, l.width()});
}
// (D) what queries have in common; empty where the pool is not centred.
inline Tensor prompt_centre(Tensor flat, const AdapterLayout& l) {
  const int64_t begin = l.offset_keys() + l.prompts().keys * l.width();
  return flat.rows(begin, begin + (l.prompts().centred ? l.width() : 0));
}

class Adapter {
 public:
  Adapter() = default;
  // Values zero. `state` is F32; F64 and C128 serve the gradient tests.
  Adapter(const ModelConfig& config, const LoraOptions& options, DType state = DType::kF32);

  // PEFT's initial distribution: A uniform in +-1/sqrt(in) (Kaiming with a = sqrt 5), B zero. Soft
  // prompts and keys are zero: the method that has some fills them.
  void initialise(uint64_t seed, uint64_t substream);

  const LoraOptions& options() const { return options_; }
  const AdapterLayout& layout() const { return layout_; }
  Tensor values() const { return values_.view(); }  // (size) flat
  double scaling() const { return options_.scaling(); }
  // Of one that is trained further; an option of training, not of the values.
  void set_dropout(double rate) { options_.dropout = rate; }

 private:
  LoraOptions options_;
  AdapterLayout layout_;
  Buffer values_;
};

}  // namespace ilora
