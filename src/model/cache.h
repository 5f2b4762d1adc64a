// Keys and values of tokens already fed, per layer and slot: what makes decoding and shared prompts
// cheap.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "model/config.h"
#include "model/packed.h"

namespace ilora {

class KeyValueCache {
 public:
  // `slots` sequences of at most `capacity` tokens each, stored as T = `state`.
  KeyValueCache(const ModelConfig& config, DType state, int64_t slots, int64_t capacity);
  // Forgets everything and holds another number of slots. Memory is kept, and grows where needed.
  void reshape(int64_t slots, int64_t capacity);

  // What `tokens` cached tokens take.
  static int64_t bytes(const ModelConfig& config, DType state, int64_t tokens) {
    int64_t width = 0;
    for (int64_t l = 0; l < config.layers; ++l) width += config.kv_width(l);
    return 2 * dtype_bytes(state, tokens * width);
  }

  Tensor keys(int64_t l) const {
    return keys_[static_cast<size_t>(l)].view();
  }  // (slots*capacity or more, K*Dh) T
  Tensor values(int64_t l) const {
    return values_[static_cast<size_t>(l)].view();
  }  // (slots*capacity or more, K*Dh) T
  int64_t slots() const { return slots_; }
  int64_t capacity() const { return capacity_; }
  int64_t tokens() const { return held_; }  // for which there is memory

  // Puts the new tokens' keys and values behind those that their slots hold.
  void store(const Kernels& kernels, int64_t l, Tensor k, Tensor v, const Packed& packed);

 private:
  DType state_;
  std::vector<int64_t> widths_;  // of each layer
  std::vector<Buffer> keys_, values_;
  int64_t slots_ = 0, capacity_ = 0, held_ = 0;  // tokens that the buffers hold: held_
};

}  // namespace ilora
