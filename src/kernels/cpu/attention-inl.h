// What attention's forward and backward share: the micro-kernel, packed rows, the layout of a tile.
// Included once per instruction set (foreach_target.h), hence the odd guard.
//
// A tile is the transpose of 64 queries by 64 keys: a row per key, a column per query. So the
// softmax runs down the columns, one query per lane, without sums across lanes, and the keys and
// values are the operands that are read element by element, as they lie.
//
// A product's operands are f32, or words of two bf16 values (bf16_dot.h) where Shape::words says
// so; `per_word` converts a depth.
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "kernels/cpu/bf16_dot.h"
#include "kernels/cpu/simd-inl.h"

#if defined(ILORA_KERNELS_CPU_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ILORA_KERNELS_CPU_ATTENTION_INL_H_
#undef ILORA_KERNELS_CPU_ATTENTION_INL_H_
#else
#define ILORA_KERNELS_CPU_ATTENTION_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {

constexpr int64_t kTile = 64;  // queries, and keys, of a tile: a multiple of every vector
constexpr int64_t kBand = 16;  // rows, or columns, of a tile on the diagonal that are cut alike

HWY_INLINE int64_t whole_vectors(int64_t n) {
  return (n + lanes() - 1) / lanes() * lanes();
}
HWY_INLINE void zero(float* x, int64_t n) {
  memset(x, 0, static_cast<size_t>(n) * sizeof(float));
}

// ---- the micro-kernel
// ----------------------------------------------------------------------------------------------

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
  };
  for (; i + kRows <= rows; i += kRows) {
    micro_rows<kAdd, kRows>(c, ldc, columns, a, b, ldb, depth);
    next(kRows);
  }
  for (; i + 4 <= rows; i += 4) {
    micro_rows<kAdd, 4>(c, ldc, columns, a, b, ldb, depth);
    next(4);
  }
  for (; i < rows; ++i) {
    micro_rows<kAdd, 1>(c, ldc, columns, a, b, ldb, depth);
    next(1);
  }
}

// ---- shapes and tiles
// ------------------------------------------------------------------------------------------------

struct Shape {
  int64_t heads, kv_heads, group;  // group: query heads per key head
  int64_t width, padded;           // padded: width in whole vectors
  float scale;
  // Whether the products behind the scores round their operands to bf16: where the output is bf16
  // and the CPU multiplies pairs.
  bool words;
  int64_t per_word;  // values of a depth
  int64_t window;    // 0: none
  float cap;         // of scores; 0: none

  Shape(const Tensor& o, const Tensor& q, const Tensor& k, int64_t window_, double cap_)
      : heads(q.shape[1]),
        kv_heads(k.shape[1]),
        group(heads / kv_heads),
        width(q.shape[2]),
        padded(whole_vectors(width)),
        scale(static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)))),
        words(o.dtype == DType::kBF16 && bf16_dot_native()),
        per_word(words ? 2 : 1),
        window(window_),
        cap(static_cast<float>(cap_)) {}

  // C = A B or C += A B of a depth in values.
  HWY_INLINE void product(bool add, float* c, int64_t ldc, int64_t rows, int64_t columns,
                          Broadcast a, const float* b, int64_t ldb, int64_t depth) const {
    if (words) {
      multiply_words(add, c, ldc, rows, columns, a, b, ldb, (depth + 1) / 2);
    } else if (add) {
      multiply<true>(c, ldc, rows, columns, a, b, ldb, depth);
    } else {
      multiply<false>(c, ldc, rows, columns, a, b, ldb, depth);
    }
  }
};

constexpr int64_t kNoWindow = int64_t{1} << 40;

// A tile's place: key row j is seen by the query columns from j + shift on, `window` of them.
struct Tile {
  int64_t queries, keys;  // rows and columns in use, at most kTile
  int64_t shift;
  int64_t window = kNoWindow;

  // Whether the window hides some key from some query; from all of them.
  HWY_INLINE bool cut() const { return queries > shift + window; }
  HWY_INLINE bool empty() const { return keys - 1 + shift + window <= 0; }

  HWY_INLINE bool whole() const { return keys - 1 + shift <= 0; }  // every query sees every key
  HWY_INLINE int64_t band() const { return whole() ? kTile : kBand; }
  // Keys that some of the queries before `query` see.
  HWY_INLINE int64_t keys_before(int64_t query) const {
    return HWY_MAX(int64_t{0}, HWY_MIN(keys, query - shift));
  }
  // The first query that sees key `key`, or queries.
  HWY_INLINE int64_t first_query(int64_t key) const {
    return HWY_MIN(queries, HWY_MAX(int64_t{0}, key + shift));
  }
  // The same as the first column that a product of its band fills: a multiple of the vector.
  HWY_INLINE int64_t first_column(int64_t key) const {
    return first_query(key) / lanes() * lanes();
  }
  // Rows that products read for the vector of queries from `query` on: what its band sees, as
  // whole words.
  HWY_INLINE int64_t rows_used(int64_t query) const {
    if (whole()) return keys;
    const int64_t seen = keys_before(query / kBand * kBand + kBand);
    return HWY_MIN(keys, (seen + 1) / 2 * 2);
  }
  // How many of the lanes from query `query` on do not see key `key`.
  HWY_INLINE size_t hidden(int64_t key, int64_t query) const {
    return static_cast<size_t>(HWY_MAX(int64_t{0}, HWY_MIN(lanes(), key + shift - query)));
  }
};

// Which of the lanes from query `query` on see key `key`.
HWY_INLINE hn::Mask<DF> seen(const Tile& tile, int64_t key, int64_t query) {
  const DF d;
  const auto first = [&](int64_t n) HWY_ATTR {
    return hn::FirstN(d, static_cast<size_t>(HWY_MAX(int64_t{0}, HWY_MIN(lanes(), n))));
  };
  const int64_t from = key + tile.shift - query;
  return hn::AndNot(first(from), first(from + tile.window));
}

// A capped score, in the scale of raw ones, so that what follows is the same for both; and the cap's
// slope there: with t = tanh(scale s / cap) they are cap t / scale and 1 - t^2.
struct Capped {
  VF score, slope;
};
HWY_INLINE Capped capped(VF score, float scale, float cap) {
  const DF d;
  const VF t = hyperbolic_tangent(hn::Mul(score, hn::Set(d, scale / cap)));
  return {hn::Mul(t, hn::Set(d, cap / scale)), hn::NegMulAdd(t, t, hn::Set(d, 1.0f))};
}

// The scores of a tile, transposed: s (kTile,kTile) = K Q^T, in f32. Parts that no query of a band
// sees are left as they are.
inline void scores(const Shape& shape, float* s, const Tile& tile, Broadcast k,
                   const float* q_transposed) {
  const int64_t columns = whole_vectors(tile.queries), band = tile.band();
  for (int64_t j = 0; j < tile.keys; j += band, k.data += band * k.row) {
    const int64_t from = tile.first_column(j);
    multiply<false>(s + j * kTile + from, kTile, HWY_MIN(band, tile.keys - j), columns - from, k,
                    q_transposed + from, kTile, shape.width);
  }
}

// ---- packing
// -------------------------------------------------------------------------------------------------------

// Hands out parts of the thread's scratch memory, each a multiple of 64 bytes.
struct Cutter {
  float* next;
  HWY_INLINE float* take(int64_t count) {
    float* part = next;
    next += (count + 15) / 16 * 16;
    return part;
  }
};

// Rows of floats in one head of a tensor, or packed.
struct HeadRows {
  const float* data = nullptr;
  int64_t stride = 0;
};

// Rows [first, first+count) of one head of t (N,heads,Dh): as they lie where that will do, else
// packed into `buffer` (count,padded) as floats followed by zeros.
inline HeadRows head_rows(float* buffer, int64_t padded, const Tensor& t, int64_t first,
                          int64_t count, int64_t head) {
  const int64_t width = t.shape[2], from = first * t.stride[0] + head * t.stride[1];
  if (t.dtype == DType::kF32 && width == padded) return {t.ptr<float>() + from, t.stride[0]};
  for (int64_t i = 0; i < count; ++i) {
    float* row = buffer + i * padded;
    const float* values = Row(t, from + i * t.stride[0]).read(0, width, row);
    if (values != row) memcpy(row, values, static_cast<size_t>(width) * sizeof(float));
    zero(row + width, padded - width);
  }
  return {buffer, padded};
}

// The transpose of `count` rows: out (width, kTile), columns from `count` on zero.
inline void transpose(float* out, const HeadRows& rows, int64_t count, int64_t width) {
  const auto [data, stride] = rows;
  if (count < kTile) zero(out, width * kTile);
  int64_t whole = 0;  // columns of `out` that are filled four by four
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> pairs;
  whole = count / 4 * 4;
  for (int64_t j = 0; j < whole; j += 4) {
    for (int64_t i = 0; i + 4 <= width; i += 4) {
      const float* from = data + j * stride + i;
      const auto a = hn::LoadU(d, from), b = hn::LoadU(d, from + stride);
      const auto c = hn::LoadU(d, from + 2 * stride), e = hn::LoadU(d, from + 3 * stride);
      const auto ab = hn::BitCast(pairs, hn::InterleaveLower(d, a, b));
      const auto ce = hn::BitCast(pairs, hn::InterleaveLower(d, c, e));
      const auto ab_high = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b));
      const auto ce_high = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
      float* to = out + i * kTile + j;
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, ab, ce)), d, to);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, ab, ce)), d, to + kTile);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, ab_high, ce_high)), d, to + 2 * kTile);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, ab_high, ce_high)), d, to + 3 * kTile);
    }
    for (int64_t i = width / 4 * 4; i < width; ++i) {
      for (int64_t l = j; l < j + 4; ++l) out[i * kTile + l] = data[l * stride + i];
    }
  }
#endif
  for (int64_t j = whole; j < count; ++j) {
    for (int64_t i = 0; i < width; ++i) out[i * kTile + j] = data[j * stride + i];
  }
}

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
