// Causal attention within sequences, backward: the probabilities are computed again, tile by tile,
// from the log-sum-exp (Dao et al., "FlashAttention", 2022). Contract: kernels.h.
//
// Parallel over (sequence, key head), where dk and dv add up in a fixed order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention_backward.cpp"  // NOLINT
#include <hwy/foreach_target.h>
// foreach_target.h first
#include <hwy/highway.h>

#include "base/parallel.h"
#include "kernels/cpu/attention-inl.h"
#include "kernels/cpu/attention.h"

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {

// The keys and values of one sequence and key head as the products want them, and their gradients
// (rows of `padded` floats). Where products round, operands but k are words.
struct Keys {
  HeadRows k, k_across, v;
  float *dk = nullptr, *dv = nullptr;
};

// One block of queries of one head, as the products want it.
struct Queries {
  float *q_transposed = nullptr, *do_transposed = nullptr;  // (padded,kTile)
  HeadRows q_across, do_across;
  float *dq = nullptr, *lse = nullptr, *delta = nullptr;    // rows; (kTile)
  float *p = nullptr, *ds = nullptr, *ds_across = nullptr;  // (kTile,kTile) tiles
};

// The memory of a task, for sequences of `keys` keys.
struct Memory {
  // (keys,padded)
  float *k = nullptr, *k_across = nullptr, *v = nullptr, *dk = nullptr, *dv = nullptr;
  float *q = nullptr, *do_ = nullptr, *o = nullptr;  // (kTile,padded)
  Queries queries;

  static int64_t floats(const Shape& s, int64_t keys) {
    return 5 * keys * s.padded + 6 * kTile * s.padded + 3 * kTile * kTile + 2 * kTile + 256;
  }
  Memory(const Shape& s, int64_t keys, float* memory) {
    Cutter cut{memory};
    for (float** rows : {&k, &k_across, &v, &dk, &dv}) *rows = cut.take(keys * s.padded);
    for (float** rows : {&q, &do_, &o, &queries.q_transposed, &queries.do_transposed, &queries.dq})
      *rows = cut.take(kTile * s.padded);
    for (float** tile : {&queries.p, &queries.ds, &queries.ds_across})
      *tile = cut.take(kTile * kTile);
    if (!s.words) queries.ds_across = queries.ds;
    queries.lse = cut.take(kTile);
    queries.delta = cut.take(kTile);
  }
};

// One vector of queries: scores become probabilities p, and their gradients dP become
// ds = scale * p (dP - delta); both 0 where a key is hidden.
HWY_INLINE void softmax_backward(const Queries& b, const Tile& tile, int64_t query, float scale) {
  const DF d;
  const VF factor = hn::Set(d, scale);
  const VF lse = hn::LoadU(d, b.lse + query), delta = hn::LoadU(d, b.delta + query);
  const int64_t open = tile.keys_before(query + 1), limit = tile.rows_used(query);
  float* p = b.p + query;
  float* ds = b.ds + query;
  int64_t j = 0;
  for (; j < open; ++j, p += kTile, ds += kTile) {
    const VF e = exponential(hn::MulSub(hn::LoadU(d, p), factor, lse));
    hn::StoreU(e, d, p);
    hn::StoreU(hn::Mul(hn::Mul(e, hn::Sub(hn::LoadU(d, ds), delta)), factor), d, ds);
  }
  for (; j < limit; ++j, p += kTile, ds += kTile) {
    const auto hidden = hn::FirstN(d, tile.hidden(j, query));
    const VF e = exponential(hn::MulSub(hn::LoadU(d, p), factor, lse));
    const VF g = hn::Mul(hn::Mul(e, hn::Sub(hn::LoadU(d, ds), delta)), factor);
    hn::StoreU(hn::IfThenZeroElse(hidden, e), d, p);
    hn::StoreU(hn::IfThenZeroElse(hidden, g), d, ds);
  }
}

// The same where the window cuts the tile or scores are capped.
HWY_INLINE void softmax_backward_masked(const Queries& b, const Tile& tile, int64_t query,
                                        const Shape& shape) {
  const DF d;
  const VF factor = hn::Set(d, shape.scale);
  const VF lse = hn::LoadU(d, b.lse + query), delta = hn::LoadU(d, b.delta + query);
  const int64_t limit = tile.rows_used(query);
  float* p = b.p + query;
  float* ds = b.ds + query;
  for (int64_t j = 0; j < limit; ++j, p += kTile, ds += kTile) {
    Capped score{hn::LoadU(d, p), hn::Set(d, 1.0f)};
    if (shape.cap > 0) score = capped(score.score, shape.scale, shape.cap);
    const VF e = exponential(hn::MulSub(score.score, factor, lse));
    const VF g = hn::Mul(hn::Mul(e, hn::Sub(hn::LoadU(d, ds), delta)), factor);
    const auto kept = seen(tile, j, query);
    hn::StoreU(hn::IfThenElseZero(kept, e), d, p);
    hn::StoreU(hn::IfThenElseZero(kept, hn::Mul(g, score.slope)), d, ds);
  }
}

// One tile: a block of queries and the keys from `key` on.
void backward_tile(const Shape& s, const Queries& b, const Keys& all, const Tile& tile,
                   int64_t key) {
  const int64_t columns = whole_vectors(tile.queries), band = tile.band();
  scores(s, b.p, tile, {all.k.data + key * all.k.stride, all.k.stride, 1}, b.q_transposed);
  for (int64_t j = 0; j < tile.keys; j += band) {
    const int64_t rows = HWY_MIN(band, tile.keys - j), from = tile.first_column(j);
    s.product(false, b.ds + j * kTile + from, kTile, rows, columns - from,
              {all.v.data + (key + j) * all.v.stride, all.v.stride, 1}, b.do_transposed + from,
              kTile, s.padded);
  }
  const bool masked = tile.cut() || s.cap > 0;
  for (int64_t i = 0; i < columns; i += lanes()) {
    if (masked) {
      softmax_backward_masked(b, tile, i, s);
    } else {
      softmax_backward(b, tile, i, s.scale);
    }
  }
  if (s.words) {
    round_across(b.ds_across, kTile, b.ds, kTile, tile.keys, columns);
    round_along(b.ds, kTile, b.ds, kTile, tile.keys, columns);
    round_along(b.p, kTile, b.p, kTile, tile.keys, columns);
  }
  for (int64_t j = 0; j < tile.keys; j += band) {
    const int64_t rows = HWY_MIN(band, tile.keys - j), from = tile.first_column(j);
    const int64_t word = from / s.per_word, at = j * kTile + word, depth = tile.queries - from;
    s.product(true, all.dv + (key + j) * s.padded, s.padded, rows, s.padded, {b.p + at, kTile, 1},
              b.do_across.data + word * b.do_across.stride, b.do_across.stride, depth);
    s.product(true, all.dk + (key + j) * s.padded, s.padded, rows, s.padded, {b.ds + at, kTile, 1},
              b.q_across.data + word * b.q_across.stride, b.q_across.stride, depth);
  }
  const float* k_across = all.k_across.data + key / s.per_word * all.k_across.stride;
  for (int64_t i = 0; i < tile.queries; i += band) {
    const int64_t rows = HWY_MIN(band, tile.queries - i);
    s.product(true, b.dq + i * s.padded, s.padded, rows, s.padded, {b.ds_across + i, 1, kTile},
              k_across, all.k_across.stride, tile.keys_before(i + rows));
  }
}

// a . b of every row, 0 past them.
void dot_rows(const Shape& s, float* out, const HeadRows& a, const HeadRows& b, int64_t count) {
  const DF d;
  for (int64_t i = 0; i < count; ++i) {
    VF total = hn::Zero(d);
    for (int64_t j = 0; j < s.padded; j += lanes()) {
      const VF x = hn::LoadU(d, a.data + i * a.stride + j);
      total = hn::MulAdd(x, hn::LoadU(d, b.data + i * b.stride + j), total);
    }
    out[i] = sum(total);
  }
  zero(out + count, kTile - count);
}

// The operands of one block of queries of one head.
void pack_queries(const Shape& s, Memory& m, const Tensor& do_, const Tensor& q, const Tensor& o,
                  const Tensor& lse, int64_t row, int64_t queries, int64_t head) {
  Queries& b = m.queries;
  b.q_across = head_rows(m.q, s.padded, q, row, queries, head);
  b.do_across = head_rows(m.do_, s.padded, do_, row, queries, head);
  transpose(b.q_transposed, b.q_across, queries, s.padded);
  dot_rows(s, b.delta, head_rows(m.o, s.padded, o, row, queries, head), b.do_across, queries);
  if (s.words) {
    round_along(m.o, s.padded, b.do_across.data, b.do_across.stride, queries, s.padded);
    transpose(b.do_transposed, {m.o, s.padded}, queries, s.padded / 2);
    round_across(m.q, s.padded, b.q_across.data, b.q_across.stride, queries, s.padded);
    round_across(m.do_, s.padded, b.do_across.data, b.do_across.stride, queries, s.padded);
    b.q_across = {m.q, s.padded};
    b.do_across = {m.do_, s.padded};
  } else {
    transpose(b.do_transposed, b.do_across, queries, s.padded);
  }
  for (int64_t i = 0; i < queries; ++i)
    b.lse[i] = lse.ptr<float>()[(row + i) * lse.stride[0] + head * lse.stride[1]];
  zero(b.lse + queries, kTile - queries);
  zero(b.dq, kTile * s.padded);
}

Keys pack_keys(const Shape& s, const Memory& m, const Tensor& k, const Tensor& v,
               const AttentionSpan& span, int64_t kv) {
  const int64_t length = span.key_len;
  Keys all{head_rows(m.k, s.padded, k, span.key_begin, length, kv),
           {},
           head_rows(m.v, s.padded, v, span.key_begin, length, kv),
           m.dk,
           m.dv};
  all.k_across = all.k;
  if (s.words) {
    round_across(m.k_across, s.padded, all.k.data, all.k.stride, length, s.padded);
    round_along(m.v, s.padded, all.v.data, all.v.stride, length, s.padded);
    all.k_across = {m.k_across, s.padded};
    all.v = {m.v, s.padded};
  }
  zero(m.dk, length * s.padded);
  zero(m.dv, length * s.padded);
  return all;
}

// Packed rows into one head of t (N,heads,Dh).
void unpack_rows(const Tensor& t, const float* rows, int64_t padded, int64_t first, int64_t count,
                 int64_t head) {
  for (int64_t i = 0; i < count; ++i) {
    float* out = t.ptr<float>() + (first + i) * t.stride[0] + head * t.stride[1];
    memcpy(out, rows + i * padded, static_cast<size_t>(t.shape[2]) * sizeof(float));
  }
}

void attention_backward(Tensor dq, Tensor dk, Tensor dv, Tensor do_, Tensor q, Tensor k, Tensor v,
                        Tensor o, Tensor lse, const AttentionSpans& call) {
  const AttentionSpan* spans = call.spans.data();
  const auto span_count = static_cast<int64_t>(call.spans.size());
  const Shape s(o, q, k, call.window, call.soft_cap);
  const int64_t window = s.window > 0 ? s.window : kNoWindow;
  parallel_for(span_count * s.kv_heads, 1, [&](int64_t task, int64_t) HWY_ATTR {
    const AttentionSpan& span = spans[task / s.kv_heads];
    const int64_t kv = task % s.kv_heads, length = span.key_len;
    Memory m(s, length,
             scratch_floats(Slot::kAttention, static_cast<size_t>(Memory::floats(s, length))));
    const Keys all = pack_keys(s, m, k, v, span, kv);
    for (int64_t head = kv * s.group; head < (kv + 1) * s.group; ++head) {
      for (int64_t first = 0; first < length; first += kTile) {
        const int64_t queries = HWY_MIN(kTile, length - first);
        pack_queries(s, m, do_, q, o, lse, span.query_begin + first, queries, head);
        for (int64_t key = 0; key <= first; key += kTile) {
          const Tile tile{queries, HWY_MIN(kTile, length - key), key - first, window};
          if (tile.empty()) continue;
          backward_tile(s, m.queries, all, tile, key);
        }
        unpack_rows(dq, m.queries.dq, s.padded, span.query_begin + first, queries, head);
      }
    }
    unpack_rows(dk, m.dk, s.padded, span.key_begin, length, kv);
    unpack_rows(dv, m.dv, s.padded, span.key_begin, length, kv);
  });
}

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ilora::cpu {

HWY_EXPORT(attention_backward);

namespace {

void attention_backward(Tensor dq, Tensor dk, Tensor dv, Tensor do_, Tensor q, Tensor k, Tensor v,
                        Tensor o, Tensor lse, AttentionSpans spans) {
  require_attention(q, k, v, lse, spans);
  for (const Tensor& t : {dq, do_, o}) require_heads(t, q.shape[0], q.shape[1], q.shape[2]);
  for (const Tensor& t : {dk, dv}) require_heads(t, k.shape[0], k.shape[1], k.shape[2]);
  for (const AttentionSpan& s : spans.spans)
    ILORA_CHECK(s.query_len == s.key_len && s.shared_len == 0,
                "attention_backward: {} queries, {} keys, {} shared", s.query_len, s.key_len,
                s.shared_len);
  HWY_DYNAMIC_DISPATCH(attention_backward)
  (dq, dk, dv, do_, q, k, v, o, lse, spans);
}

}  // namespace

void install_attention_backward(Kernels& table) {
  table.attention_backward = attention_backward;
}

}  // namespace ilora::cpu
#endif  // HWY_ONCE
