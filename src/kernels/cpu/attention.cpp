// Causal attention within sequences, forward and backward, in tiles of 64 queries by 64 keys.
// Contracts: kernels.h.
//
// Forward keeps a running maximum and sum (Milakov and Gimelshein, "Online normalizer calculation
// for softmax", 2018; Dao et al., "FlashAttention", 2022); backward computes the probabilities
// again from the log-sum-exp. All products are one micro-kernel over packed tiles: rows of A by
// broadcast, rows of B by vectors. Forward runs in parallel over (sequence, key head, block of
// queries), backward over (sequence, key head), where dk and dv add up in a fixed order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention.cpp"  // NOLINT
#include <hwy/foreach_target.h>
// foreach_target.h first
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "base/parallel.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {

constexpr int64_t kTile = 64;  // queries, and keys, of a tile: a multiple of every vector
constexpr int64_t kBand = 16;  // rows of a tile on the diagonal that are computed to the same width

HWY_INLINE int64_t whole_vectors(int64_t n) {
  return (n + lanes() - 1) / lanes() * lanes();
}

// ---- the micro-kernel
// ----------------------------------------------------------------------------------------------

// A (M,K) with any strides, read element by element.
struct Broadcast {
  const float* data;
  int64_t row, column;
};

// C (kRows, kVectors vectors) = A B, or += with kAdd.
template <bool kAdd, int kRows, int kVectors>  // at most 8: GCC wants literal unroll counts
HWY_INLINE void micro(float* c, int64_t ldc, Broadcast a, const float* b, int64_t ldb,
                      int64_t depth) {
  const DF d;
  const int64_t step = lanes();
  VF total[kRows][kVectors];
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(8)
    for (int j = 0; j < kVectors; ++j)
      total[i][j] = kAdd ? hn::LoadU(d, c + i * ldc + j * step) : hn::Zero(d);
  }
  for (int64_t l = 0; l < depth; ++l) {
    VF row[kVectors];
    HWY_UNROLL(8)
    for (int j = 0; j < kVectors; ++j) row[j] = hn::LoadU(d, b + l * ldb + j * step);
    HWY_UNROLL(8)
    for (int i = 0; i < kRows; ++i) {
      const VF left = hn::Set(d, a.data[i * a.row + l * a.column]);
      HWY_UNROLL(8)
      for (int j = 0; j < kVectors; ++j) total[i][j] = hn::MulAdd(left, row[j], total[i][j]);
    }
  }
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(8)
    for (int j = 0; j < kVectors; ++j) hn::StoreU(total[i][j], d, c + i * ldc + j * step);
  }
}

template <bool kAdd, int kRows>
HWY_INLINE void micro_rows(float* c, int64_t ldc, int64_t columns, Broadcast a, const float* b,
                           int64_t ldb, int64_t depth) {
  const int64_t step = lanes();
  int64_t j = 0;
  for (; j + 2 * step <= columns; j += 2 * step)
    micro<kAdd, kRows, 2>(c + j, ldc, a, b + j, ldb, depth);
  for (; j < columns; j += step) micro<kAdd, kRows, 1>(c + j, ldc, a, b + j, ldb, depth);
}

// C (rows, columns) = A (rows, depth) B (depth, columns), or += with kAdd; columns is a multiple of
// the vector.
template <bool kAdd>
void multiply(float* c, int64_t ldc, int64_t rows, int64_t columns, Broadcast a, const float* b,
              int64_t ldb, int64_t depth) {
  constexpr int kRows = hn::MaxLanes(DF()) >= 16 ? 8 : 4;  // 32 or 16 registers
  int64_t i = 0;
  const auto next = [&](int64_t count) HWY_ATTR {
    c += count * ldc;
    a.data += count * a.row;
    i += count;
  };
  while (i + kRows <= rows) {
    micro_rows<kAdd, kRows>(c, ldc, columns, a, b, ldb, depth);
    next(kRows);
  }
  while (i + 4 <= rows) {
    micro_rows<kAdd, 4>(c, ldc, columns, a, b, ldb, depth);
    next(4);
  }
  while (i < rows) {
    micro_rows<kAdd, 1>(c, ldc, columns, a, b, ldb, depth);
    next(1);
  }
}

// ---- packing
// -------------------------------------------------------------------------------------------------------

HWY_INLINE void zero(float* x, int64_t n) {
  memset(x, 0, static_cast<size_t>(n) * sizeof(float));
}

// Rows [first, first+count) of one head of t (N,heads,Dh) as floats, each followed by zeros up to
// `padded`.
void pack_rows(float* out, int64_t padded, const Tensor& t, int64_t first, int64_t count,
               int64_t head) {
  const int64_t width = t.shape[2];
  for (int64_t i = 0; i < count; ++i) {
    float* row = out + i * padded;
    const float* values =
        Row(t, (first + i) * t.stride[0] + head * t.stride[1]).read(0, width, row);
    if (values != row) memcpy(row, values, static_cast<size_t>(width) * sizeof(float));
    zero(row + width, padded - width);
  }
}

// The transpose of packed rows: out (width, kTile), columns from `count` on zero.
void transpose(float* out, const float* rows, int64_t padded, int64_t count, int64_t width) {
  if (count < kTile) zero(out, width * kTile);
  for (int64_t j = 0; j < count; ++j) {
    for (int64_t i = 0; i < width; ++i) out[i * kTile + j] = rows[j * padded + i];
  }
}

// Hands out parts of the thread's scratch memory, each a multiple of 64 bytes.
struct Cutter {
  float* next;
  HWY_INLINE float* take(int64_t count) {
    float* part = next;
    next += (count + 15) / 16 * 16;
    return part;
  }
};

struct Shape {
  int64_t heads, kv_heads, group, width,
      padded;  // group: query heads per key head; padded: width in whole vectors
  float scale;

  Shape(const Tensor& q, const Tensor& k)
      : heads(q.shape[1]), kv_heads(k.shape[1]), group(heads / kv_heads), width(q.shape[2]) {
    padded = whole_vectors(width);
    scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)));
  }
};

// ---- forward
// -------------------------------------------------------------------------------------------------------

// A row of scores becomes exp(scale * score - new maximum) over the `seen` first keys and 0 after
// them; the running maximum and sum follow. Returns the factor for what was summed before.
HWY_INLINE float online_softmax(float* s, int64_t seen, float scale, float* maximum_so_far,
                                float* sum_so_far) {
  const DF d;
  const int64_t step = lanes();
  const float lowest = -std::numeric_limits<float>::infinity();
  VF top = hn::Set(d, lowest);
  for (int64_t j = 0; j < seen; j += step) {
    const auto mask = hn::FirstN(d, static_cast<size_t>(HWY_MIN(step, seen - j)));
    top = hn::Max(top, hn::IfThenElse(mask, hn::LoadU(d, s + j), hn::Set(d, lowest)));
  }
  const float before = *maximum_so_far, here = maximum(top) * scale;
  const float now = here > before ? here : before;
  const VF shift = hn::Set(d, now), factor = hn::Set(d, scale);
  VF total = hn::Zero(d);
  int64_t j = 0;
  for (; j < seen; j += step) {
    const auto mask = hn::FirstN(d, static_cast<size_t>(HWY_MIN(step, seen - j)));
    const VF e = exponential(hn::MulSub(hn::LoadU(d, s + j), factor, shift));
    const VF kept = hn::IfThenElseZero(mask, e);
    total = hn::Add(total, kept);
    hn::StoreU(kept, d, s + j);
  }
  for (; j < kTile; j += step) hn::StoreU(hn::Zero(d), d, s + j);
  const float correction = now > before ? std::exp(before - now) : 1.0f;
  *sum_so_far = *sum_so_far * correction + sum(total);
  *maximum_so_far = now;
  return correction;
}

HWY_INLINE void scale_row(float* x, int64_t n, float factor) {
  const DF d;
  for (int64_t i = 0; i < n; i += lanes())
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)), d, x + i);
}

int64_t forward_floats(const Shape& s) {
  return (2 * s.group * kTile + 2 * kTile) * s.padded + kTile * (kTile + s.width) +
         2 * s.group * kTile + 256;
}

// One block of queries of all heads that read key head `kv`.
void forward_block(const Tensor& o, const Tensor& lse, const Tensor& q, const Tensor& k,
                   const Tensor& v, const AttentionSpan& span, int64_t kv, int64_t block,
                   float* memory) {
  const Shape s(q, k);
  const int64_t first = block * kTile, queries = HWY_MIN(kTile, span.query_len - first);
  const int64_t offset = span.key_len - span.query_len;  // query i sees keys 0 .. offset + i
  const int64_t keys = offset + first + queries;
  Cutter cut{memory};
  float* packed_q = cut.take(s.group * kTile * s.padded);
  float* packed_o = cut.take(s.group * kTile * s.padded);
  float* packed_k = cut.take(kTile * s.padded);
  float* packed_v = cut.take(kTile * s.padded);
  float* k_transposed = cut.take(kTile * s.width);
  float* scores = cut.take(kTile * kTile);
  float* top = cut.take(s.group * kTile);
  float* total = cut.take(s.group * kTile);
  zero(packed_o, s.group * kTile * s.padded);
  for (int64_t i = 0; i < s.group * kTile; ++i)
    top[i] = -std::numeric_limits<float>::infinity(), total[i] = 0;
  for (int64_t g = 0; g < s.group; ++g)
    pack_rows(packed_q + g * kTile * s.padded, s.padded, q, span.query_begin + first, queries,
              kv * s.group + g);

  for (int64_t key = 0; key < keys; key += kTile) {
    const int64_t count = HWY_MIN(kTile, keys - key);
    pack_rows(packed_k, s.padded, k, span.key_begin + key, count, kv);
    pack_rows(packed_v, s.padded, v, span.key_begin + key, count, kv);
    transpose(k_transposed, packed_k, s.padded, count, s.width);
    // Keys of this tile that the first `rows` queries see; where they see all, the tile is one
    // band.
    const auto most_seen = [&](int64_t rows) HWY_ATTR {
      return HWY_MAX(int64_t{0}, HWY_MIN(count, offset + first + rows - key));
    };
    const int64_t band = most_seen(1) == count ? kTile : kBand;
    for (int64_t g = 0; g < s.group; ++g) {
      float* out = packed_o + g * kTile * s.padded;
      for (int64_t i = 0; i < queries; i += band) {
        const int64_t rows = HWY_MIN(band, queries - i), seen = most_seen(i + rows);
        multiply<false>(scores + i * kTile, kTile, rows, whole_vectors(seen),
                        {packed_q + (g * kTile + i) * s.padded, s.padded, 1}, k_transposed, kTile,
                        s.width);
      }
      for (int64_t i = 0; i < queries; ++i) {
        const int64_t seen = most_seen(i + 1);
        if (seen == 0) {
          zero(scores + i * kTile, kTile);
          continue;
        }
        const float correction = online_softmax(scores + i * kTile, seen, s.scale,
                                                top + g * kTile + i, total + g * kTile + i);
        if (key > 0 && correction != 1.0f) scale_row(out + i * s.padded, s.padded, correction);
      }
      for (int64_t i = 0; i < queries; i += band) {
        const int64_t rows = HWY_MIN(band, queries - i);
        multiply<true>(out + i * s.padded, s.padded, rows, s.padded, {scores + i * kTile, kTile, 1},
                       packed_v, s.padded, most_seen(i + rows));
      }
    }
  }

  for (int64_t g = 0; g < s.group; ++g) {
    const int64_t head = kv * s.group + g;
    for (int64_t i = 0; i < queries; ++i) {
      const int64_t n = span.query_begin + first + i;
      float* row = packed_o + (g * kTile + i) * s.padded;
      scale_row(row, s.padded, 1.0f / total[g * kTile + i]);
      const Row out(o, n * o.stride[0] + head * o.stride[1]);
      if (out.bf16) {
        out.done(0, s.width, row);
      } else {
        memcpy(out.data, row, static_cast<size_t>(s.width) * sizeof(float));
      }
      lse.ptr<float>()[n * lse.stride[0] + head * lse.stride[1]] =
          top[g * kTile + i] + std::log(total[g * kTile + i]);
    }
  }
}

void attention(Tensor o, Tensor lse, Tensor q, Tensor k, Tensor v, const AttentionSpan* spans,
               int64_t span_count) {
  const int64_t kv_heads = k.shape[1];
  const auto blocks = [](const AttentionSpan& span) {
    return (span.query_len + kTile - 1) / kTile;
  };
  int64_t tasks = 0;
  for (int64_t s = 0; s < span_count; ++s) tasks += blocks(spans[s]) * kv_heads;
  parallel_for(tasks, 1, [&](int64_t task, int64_t) HWY_ATTR {
    int64_t s = 0;
    for (; task >= blocks(spans[s]) * kv_heads; ++s) task -= blocks(spans[s]) * kv_heads;
    const int64_t last = blocks(spans[s]) - 1;  // late queries see the most keys: start with them
    const auto floats = static_cast<size_t>(forward_floats(Shape(q, k)));
    forward_block(o, lse, q, k, v, spans[s], task % kv_heads, last - task / kv_heads,
                  scratch_floats(Slot::kAttention, floats));
  });
}

// ---- backward
// ------------------------------------------------------------------------------------------------------

// The keys and values of one sequence and key head, packed, and their gradients.
struct PackedKeys {
  float *k, *k_transposed, *v_transposed, *dk, *dv;
};

// Tiles of one block of queries.
struct QueryBlock {
  float *q, *do_, *dq, *p, *ds, *lse, *delta;
};

int64_t backward_floats(const Shape& s, int64_t keys) {
  const int64_t rows = (keys + kTile - 1) / kTile * kTile;
  return 3 * rows * s.padded + 2 * rows * s.width + 3 * kTile * s.padded + 2 * kTile * kTile +
         2 * kTile + 256;
}

// Scores become probabilities, and their gradients dP become scale * P (dP - delta).
HWY_INLINE void softmax_backward(float* p, float* ds, int64_t seen, float scale, float lse,
                                 float delta) {
  const DF d;
  const int64_t step = lanes();
  const VF factor = hn::Set(d, scale), shift = hn::Set(d, lse), less = hn::Set(d, delta);
  int64_t j = 0;
  for (; j < seen; j += step) {
    const auto mask = hn::FirstN(d, static_cast<size_t>(HWY_MIN(step, seen - j)));
    const VF e =
        hn::IfThenElseZero(mask, exponential(hn::MulSub(hn::LoadU(d, p + j), factor, shift)));
    const VF g = hn::Mul(hn::Mul(e, hn::Sub(hn::LoadU(d, ds + j), less)), factor);
    hn::StoreU(e, d, p + j);
    hn::StoreU(hn::IfThenElseZero(mask, g), d, ds + j);
  }
  for (; j < kTile; j += step) {
    hn::StoreU(hn::Zero(d), d, p + j);
    hn::StoreU(hn::Zero(d), d, ds + j);
  }
}

// One tile: `queries` rows from `first` on, `keys` keys from `key` on.
void backward_tile(const Shape& s, const QueryBlock& b, const PackedKeys& all, int64_t first,
                   int64_t queries, int64_t key, int64_t keys) {
  const bool diagonal = key == first;
  const int64_t band = diagonal ? kBand : kTile;
  for (int64_t i = 0; i < queries; i += band) {
    const int64_t rows = HWY_MIN(band, queries - i);
    const int64_t columns = whole_vectors(HWY_MIN(keys, first + i + rows - key));
    multiply<false>(b.p + i * kTile, kTile, rows, columns, {b.q + i * s.padded, s.padded, 1},
                    all.k_transposed + key * s.width, kTile, s.width);
    multiply<false>(b.ds + i * kTile, kTile, rows, columns, {b.do_ + i * s.padded, s.padded, 1},
                    all.v_transposed + key * s.width, kTile, s.width);
  }
  for (int64_t i = 0; i < queries; ++i) {
    const int64_t seen = HWY_MIN(keys, first + i + 1 - key);  // at least 1: key <= first
    softmax_backward(b.p + i * kTile, b.ds + i * kTile, seen, s.scale, b.lse[i], b.delta[i]);
  }
  for (int64_t j = 0; j < keys; j += band) {  // keys j.. are seen by queries j.. on the diagonal
    const int64_t rows = HWY_MIN(band, keys - j), from = diagonal ? j : 0, at = from * kTile + j;
    multiply<true>(all.dv + (key + j) * s.padded, s.padded, rows, s.padded, {b.p + at, 1, kTile},
                   b.do_ + from * s.padded, s.padded, queries - from);
    multiply<true>(all.dk + (key + j) * s.padded, s.padded, rows, s.padded, {b.ds + at, 1, kTile},
                   b.q + from * s.padded, s.padded, queries - from);
  }
  for (int64_t i = 0; i < queries; i += band) {
    const int64_t rows = HWY_MIN(band, queries - i);
    multiply<true>(b.dq + i * s.padded, s.padded, rows, s.padded, {b.ds + i * kTile, kTile, 1},
                   all.k + key * s.padded, s.padded, HWY_MIN(keys, first + i + rows - key));
  }
}

// The gradients' inputs of one block of queries of one head.
void pack_queries(const Shape& s, const QueryBlock& b, const Tensor& do_, const Tensor& q,
                  const Tensor& o, const Tensor& lse, int64_t row, int64_t queries, int64_t head) {
  const DF d;
  pack_rows(b.dq, s.padded, o, row, queries, head);
  pack_rows(b.q, s.padded, q, row, queries, head);
  pack_rows(b.do_, s.padded, do_, row, queries, head);
  for (int64_t i = 0; i < queries; ++i) {
    VF total = hn::Zero(d);
    for (int64_t j = i * s.padded; j < (i + 1) * s.padded; j += lanes())
      total = hn::MulAdd(hn::LoadU(d, b.dq + j), hn::LoadU(d, b.do_ + j), total);
    b.delta[i] = sum(total);
    b.lse[i] = lse.ptr<float>()[(row + i) * lse.stride[0] + head * lse.stride[1]];
  }
  zero(b.dq, kTile * s.padded);
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
                        Tensor o, Tensor lse, const AttentionSpan* spans, int64_t span_count) {
  const Shape s(q, k);
  parallel_for(span_count * s.kv_heads, 1, [&](int64_t task, int64_t) HWY_ATTR {
    const AttentionSpan& span = spans[task / s.kv_heads];
    const int64_t kv = task % s.kv_heads, length = span.key_len,
                  rows = (length + kTile - 1) / kTile * kTile;
    Cutter cut{scratch_floats(Slot::kAttention, static_cast<size_t>(backward_floats(s, length)))};
    const PackedKeys all{cut.take(rows * s.padded), cut.take(rows * s.width),
                         cut.take(rows * s.width), cut.take(rows * s.padded),
                         cut.take(rows * s.padded)};
    const QueryBlock b{cut.take(kTile * s.padded),
                       cut.take(kTile * s.padded),
                       cut.take(kTile * s.padded),
                       cut.take(kTile * kTile),
                       cut.take(kTile * kTile),
                       cut.take(kTile),
                       cut.take(kTile)};
    pack_rows(all.dv, s.padded, v, span.key_begin, length, kv);
    pack_rows(all.k, s.padded, k, span.key_begin, length, kv);
    for (int64_t key = 0; key < length; key += kTile) {
      const int64_t count = HWY_MIN(kTile, length - key);
      transpose(all.k_transposed + key * s.width, all.k + key * s.padded, s.padded, count, s.width);
      transpose(all.v_transposed + key * s.width, all.dv + key * s.padded, s.padded, count,
                s.width);
    }
    zero(all.dk, rows * s.padded);
    zero(all.dv, rows * s.padded);
    for (int64_t head = kv * s.group; head < (kv + 1) * s.group; ++head) {
      for (int64_t first = 0; first < length; first += kTile) {
        const int64_t queries = HWY_MIN(kTile, length - first);
        pack_queries(s, b, do_, q, o, lse, span.query_begin + first, queries, head);
        for (int64_t key = 0; key <= first; key += kTile)
          backward_tile(s, b, all, first, queries, key, HWY_MIN(kTile, length - key));
        unpack_rows(dq, b.dq, s.padded, span.query_begin + first, queries, head);
      }
    }
    unpack_rows(dk, all.dk, s.padded, span.key_begin, length, kv);
    unpack_rows(dv, all.dv, s.padded, span.key_begin, length, kv);
  });
}

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ilora::cpu {

HWY_EXPORT(attention);
HWY_EXPORT(attention_backward);

namespace {

void require_heads(const Tensor& t, int64_t rows, int64_t heads, int64_t width) {
  ILORA_CHECK(t.rank == 3 && t.shape[0] == rows && t.shape[1] == heads && t.shape[2] == width &&
                  t.stride[2] == 1,
              "attention: unexpected {}", t.describe());
}

void require_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& lse,
                       std::span<const AttentionSpan> spans) {
  ILORA_CHECK(q.rank == 3 && k.rank == 3);
  require_heads(q, q.shape[0], q.shape[1], q.shape[2]);
  require_heads(k, k.shape[0], k.shape[1], q.shape[2]);
  require_heads(v, k.shape[0], k.shape[1], q.shape[2]);
  ILORA_CHECK(lse.rank == 2 && lse.shape[0] == q.shape[0] && lse.shape[1] == q.shape[1],
              "attention: unexpected {}", lse.describe());
  ILORA_CHECK(q.dtype == k.dtype && q.dtype == v.dtype, "attention: {} with {}", q.describe(),
              k.describe());
  ILORA_CHECK(k.shape[1] > 0 && q.shape[1] % k.shape[1] == 0, "attention: {} heads, {} key heads",
              q.shape[1], k.shape[1]);
  for (const AttentionSpan& s : spans) {
    ILORA_CHECK(s.query_begin >= 0 && s.query_len >= 0 &&
                    s.query_begin + s.query_len <= q.shape[0] && s.key_begin >= 0 &&
                    s.key_len >= s.query_len && s.key_begin + s.key_len <= k.shape[0],
                "attention: queries {}+{} and keys {}+{} of {} and {} rows", s.query_begin,
                s.query_len, s.key_begin, s.key_len, q.shape[0], k.shape[0]);
  }
}

}  // namespace

void attention(Tensor o, Tensor lse, Tensor q, Tensor k, Tensor v,
               std::span<const AttentionSpan> spans) {
  require_attention(q, k, v, lse, spans);
  require_heads(o, q.shape[0], q.shape[1], q.shape[2]);
  HWY_DYNAMIC_DISPATCH(attention)
  (o, lse, q, k, v, spans.data(), static_cast<int64_t>(spans.size()));
}

void attention_backward(Tensor dq, Tensor dk, Tensor dv, Tensor do_, Tensor q, Tensor k, Tensor v,
                        Tensor o, Tensor lse, std::span<const AttentionSpan> spans) {
  require_attention(q, k, v, lse, spans);
  for (const Tensor& t : {dq, do_, o}) require_heads(t, q.shape[0], q.shape[1], q.shape[2]);
  for (const Tensor& t : {dk, dv}) require_heads(t, k.shape[0], k.shape[1], k.shape[2]);
  for (const AttentionSpan& s : spans)
    ILORA_CHECK(s.query_len == s.key_len, "attention_backward: {} queries, {} keys", s.query_len,
                s.key_len);
  HWY_DYNAMIC_DISPATCH(attention_backward)
  (dq, dk, dv, do_, q, k, v, o, lse, spans.data(), static_cast<int64_t>(spans.size()));
}

}  // namespace ilora::cpu
#endif  // HWY_ONCE
