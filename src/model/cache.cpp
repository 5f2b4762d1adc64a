#include "model/cache.h"

namespace ilora {

namespace {

// y = x, rows of equal width; x may be columns of a wider matrix.
void copy_rows(const Kernels& kernels, Tensor y, Tensor x) {
  if (x.contiguous()) return kernels.convert(y, x);
  for (int64_t i = 0; i < x.shape[0]; ++i) kernels.convert(y.rows(i, i + 1), x.rows(i, i + 1));
}

}  // namespace

KeyValueCache::KeyValueCache(const ModelConfig& config, DType state, int64_t slots,
                             int64_t capacity)
    : state_(state) {
  for (int64_t l = 0; l < config.layers; ++l) widths_.push_back(config.kv_width(l));
  reshape(slots, capacity);
}

void KeyValueCache::reshape(int64_t slots, int64_t capacity) {
  slots_ = slots;
  capacity_ = capacity;
  if (slots * capacity <= held_) return;
  const int64_t tokens = slots * capacity;
  held_ = 0;  // should memory run out
  keys_.clear();
  values_.clear();
  for (const int64_t width : widths_) {
    keys_.emplace_back(state_, std::initializer_list<int64_t>{tokens, width});
    values_.emplace_back(state_, std::initializer_list<int64_t>{tokens, width});
  }
  held_ = tokens;
}

void KeyValueCache::store(const Kernels& kernels, int64_t l, Tensor k, Tensor v,
                          const Packed& packed) {
  for (const AttentionSpan& span : packed.spans) {
    const int64_t from = span.query_begin;
    const int64_t to = span.key_begin + span.key_len - span.query_len;
    copy_rows(kernels, keys(l).rows(to, to + span.query_len), k.rows(from, from + span.query_len));
    copy_rows(kernels, values(l).rows(to, to + span.query_len),
              v.rows(from, from + span.query_len));
  }
}

}  // namespace ilora
