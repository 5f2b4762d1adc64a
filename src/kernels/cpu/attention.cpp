// Causal attention within sequences, forward, in tiles of 64 queries by 64 keys; backward is in
// attention_backward.cpp. Contracts: kernels.h.
//
// A running maximum and sum per query (Milakov and Gimelshein, "Online normalizer calculation for
// softmax", 2018; Dao et al., "FlashAttention", 2022). Parallel over (sequence, key head, block of
// queries).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention.cpp"  // NOLINT
#include <hwy/foreach_target.h>
// foreach_target.h first
#include <hwy/highway.h>

#include "base/parallel.h"
#include "kernels/cpu/attention-inl.h"
#include "kernels/cpu/attention.h"

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {

// Running figures of the queries of a block.
struct Running {
  float *top, *total, *correction;  // (kTile); correction: the factor for what was summed before
};

// One vector of queries: its scores become exp(scale * score - new maximum), 0 where a key is
// hidden. Rows past what the band sees are left alone.
HWY_INLINE void online_softmax(float* s, const Tile& tile, int64_t query, float scale,
                               const Running& r) {
  const DF d;
  const VF lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  const int64_t open = tile.keys_before(query + 1), limit = tile.rows_used(query);
  VF top = lowest;
  int64_t j = 0;
  for (; j < open; ++j) top = hn::Max(top, hn::LoadU(d, s + j * kTile));
  for (; j < limit; ++j) {
    const auto hidden = hn::FirstN(d, tile.hidden(j, query));
    top = hn::Max(top, hn::IfThenElse(hidden, lowest, hn::LoadU(d, s + j * kTile)));
  }
  const VF factor = hn::Set(d, scale), before = hn::LoadU(d, r.top + query);
  const VF now = hn::Max(before, hn::Mul(top, factor));
  VF total = hn::Zero(d);
  for (j = 0; j < open; ++j) {
    const VF e = exponential(hn::MulSub(hn::LoadU(d, s + j * kTile), factor, now));
    total = hn::Add(total, e);
    hn::StoreU(e, d, s + j * kTile);
  }
  for (; j < limit; ++j) {
    const auto hidden = hn::FirstN(d, tile.hidden(j, query));
    const VF e = exponential(hn::MulSub(hn::LoadU(d, s + j * kTile), factor, now));
    const VF kept = hn::IfThenZeroElse(hidden, e);
    total = hn::Add(total, kept);
    hn::StoreU(kept, d, s + j * kTile);
  }
  const VF correction = exponential(hn::Sub(before, now));
  hn::StoreU(hn::MulAdd(hn::LoadU(d, r.total + query), correction, total), d, r.total + query);
  hn::StoreU(now, d, r.top + query);
  hn::StoreU(correction, d, r.correction + query);
}

// The same where the window cuts the tile or scores are capped. A query that sees no key of the
// tile keeps its figures: its maximum starts at a number that no score is below.
HWY_INLINE void online_softmax_masked(float* s, const Tile& tile, int64_t query, const Shape& shape,
                                      const Running& r) {
  const DF d;
  const VF lowest = hn::Set(d, -1e30f), factor = hn::Set(d, shape.scale);
  const int64_t limit = tile.rows_used(query);
  VF top = hn::Max(hn::LoadU(d, r.top + query), lowest);
  const VF before = top;
  for (int64_t j = 0; j < limit; ++j) {
    VF score = hn::LoadU(d, s + j * kTile);
    if (shape.cap > 0) {
      score = capped(score, shape.scale, shape.cap).score;
      hn::StoreU(score, d, s + j * kTile);
    }
    top = hn::Max(top, hn::IfThenElse(seen(tile, j, query), hn::Mul(score, factor), lowest));
  }
  VF total = hn::Zero(d);
  for (int64_t j = 0; j < limit; ++j) {
    const VF e = exponential(hn::MulSub(hn::LoadU(d, s + j * kTile), factor, top));
    const VF kept = hn::IfThenElseZero(seen(tile, j, query), e);
    total = hn::Add(total, kept);
    hn::StoreU(kept, d, s + j * kTile);
  }
  const VF correction = exponential(hn::Sub(before, top));
  hn::StoreU(hn::MulAdd(hn::LoadU(d, r.total + query), correction, total), d, r.total + query);
  hn::StoreU(top, d, r.top + query);
  hn::StoreU(correction, d, r.correction + query);
}

HWY_INLINE void scale_row(float* x, int64_t n, float factor) {
  const DF d;
  for (int64_t i = 0; i < n; i += lanes())
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)), d, x + i);
}

int64_t forward_floats(const Shape& s) {
  return s.group * (2 * kTile * s.padded + 2 * kTile) + 2 * kTile * s.padded + kTile * kTile +
         kTile + 256;
}

// What one block of queries of one key head works with.
struct ForwardBlock {
  float *q_transposed, *out, *top, *total;  // per head of the group
  float *k, *v, *scores, *correction;       // k and v: memory for rows that do not do as they lie

  ForwardBlock(const Shape& s, float* memory) {
    Cutter cut{memory};
    q_transposed = cut.take(s.group * kTile * s.padded);
    out = cut.take(s.group * kTile * s.padded);
    top = cut.take(s.group * kTile);
    total = cut.take(s.group * kTile);
    k = cut.take(kTile * s.padded);
    v = cut.take(kTile * s.padded);
    scores = cut.take(kTile * kTile);
    correction = cut.take(kTile);
  }
};

// One tile of keys for head `g` of the group; v: rows, across where they are words.
void forward_tile(const Shape& s, const ForwardBlock& b, const HeadRows& k, const HeadRows& v,
                  const Tile& tile, int64_t g, bool first) {
  const int64_t columns = whole_vectors(tile.queries), band = tile.band();
  const float* q = b.q_transposed + g * kTile * s.padded;
  float* out = b.out + g * kTile * s.padded;
  scores(s, b.scores, tile, {k.data, k.stride, 1}, q);
  const Running running{b.top + g * kTile, b.total + g * kTile, b.correction};
  const bool masked = tile.cut() || s.cap > 0;
  for (int64_t i = 0; i < columns; i += lanes()) {
    if (masked) {
      online_softmax_masked(b.scores + i, tile, i, s, running);
    } else {
      online_softmax(b.scores + i, tile, i, s.scale, running);
    }
  }
  for (int64_t i = 0; i < tile.queries && !first; ++i) {
    if (b.correction[i] != 1.0f) scale_row(out + i * s.padded, s.padded, b.correction[i]);
  }
  if (s.words) round_across(b.scores, kTile, b.scores, kTile, tile.keys, columns);
  for (int64_t i = 0; i < tile.queries; i += band) {
    const int64_t rows = HWY_MIN(band, tile.queries - i);
    s.product(true, out + i * s.padded, s.padded, rows, s.padded, {b.scores + i, 1, kTile}, v.data,
              v.stride, tile.keys_before(i + rows));
  }
}

// Writes the block's results for one head.
void finish_block(const Shape& s, const Tensor& o, const Tensor& lse, float* rows, const float* top,
                  const float* total, int64_t first, int64_t count, int64_t head) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t n = first + i;
    float* row = rows + i * s.padded;
    scale_row(row, s.padded, 1.0f / total[i]);
    const Row out(o, n * o.stride[0] + head * o.stride[1]);
    if (out.bf16) {
      out.done(0, s.width, row);
    } else {
      memcpy(out.data, row, static_cast<size_t>(s.width) * sizeof(float));
    }
    lse.ptr<float>()[n * lse.stride[0] + head * lse.stride[1]] = top[i] + std::log(total[i]);
  }
}

// The block's queries attend `count` keys from row `begin` on: key j where j + shift <= query < j +
// shift + window.
void forward_keys(const Shape& s, const ForwardBlock& b, const Tensor& k, const Tensor& v,
                  int64_t kv, int64_t queries, int64_t begin, int64_t count, int64_t shift,
                  int64_t window, bool first) {
  for (int64_t key = 0; key < count; key += kTile) {
    const Tile tile{queries, HWY_MIN(kTile, count - key), key + shift, window};
    if (tile.empty()) continue;
    const HeadRows key_rows = head_rows(b.k, s.padded, k, begin + key, tile.keys, kv);
    HeadRows value_rows = head_rows(b.v, s.padded, v, begin + key, tile.keys, kv);
    if (s.words) {
      round_across(b.v, s.padded, value_rows.data, value_rows.stride, tile.keys, s.padded);
      value_rows = {b.v, s.padded};
    }
    for (int64_t g = 0; g < s.group; ++g)
      forward_tile(s, b, key_rows, value_rows, tile, g, first && key == 0);
  }
}

// One block of queries of all heads that read key head `kv`.
void forward_block(const Shape& s, const Tensor& o, const Tensor& lse, const Tensor& q,
                   const Tensor& k, const Tensor& v, const AttentionSpan& span, int64_t kv,
                   int64_t block) {
  const int64_t first = block * kTile, queries = HWY_MIN(kTile, span.query_len - first);
  const int64_t before = span.key_len - span.query_len + first;  // keys more for the first query
  const ForwardBlock b(s, scratch_floats(Slot::kAttention, static_cast<size_t>(forward_floats(s))));
  zero(b.out, s.group * kTile * s.padded);
  for (int64_t i = 0; i < s.group * kTile; ++i)
    b.top[i] = -std::numeric_limits<float>::infinity(), b.total[i] = 0;
  for (int64_t g = 0; g < s.group; ++g) {
    const HeadRows rows =
        head_rows(b.k, s.padded, q, span.query_begin + first, queries, kv * s.group + g);
    transpose(b.q_transposed + g * kTile * s.padded, rows, queries, s.padded);
  }
  const int64_t window = s.window > 0 ? s.window : kNoWindow;
  forward_keys(s, b, k, v, kv, queries, span.shared_begin, span.shared_len, -span.shared_len,
               window - before, true);
  forward_keys(s, b, k, v, kv, queries, span.key_begin, before + queries, -before, window,
               span.shared_len == 0);
  for (int64_t g = 0; g < s.group; ++g) {
    finish_block(s, o, lse, b.out + g * kTile * s.padded, b.top + g * kTile, b.total + g * kTile,
                 span.query_begin + first, queries, kv * s.group + g);
  }
}

void attention(Tensor o, Tensor lse, Tensor q, Tensor k, Tensor v, const AttentionSpans& call) {
  const AttentionSpan* spans = call.spans.data();
  const auto span_count = static_cast<int64_t>(call.spans.size());
  const Shape shape(o, q, k, call.window, call.soft_cap);
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
    forward_block(shape, o, lse, q, k, v, spans[s], task % kv_heads, last - task / kv_heads);
  });
}

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ilora::cpu {

HWY_EXPORT(attention);

void require_heads(const Tensor& t, int64_t rows, int64_t heads, int64_t width) {
  ILORA_CHECK(t.rank == 3 && t.shape[0] == rows && t.shape[1] == heads && t.shape[2] == width &&
                  t.stride[2] == 1,
              "attention: unexpected {}", t.describe());
}

void require_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& lse,
                       const AttentionSpans& spans) {
  ILORA_CHECK(spans.window >= 0 && spans.soft_cap >= 0, "attention: window {}, soft cap {}",
              spans.window, spans.soft_cap);
  require_attention(q, k, v, spans.spans);
  ILORA_CHECK(lse.rank == 2 && lse.shape[0] == q.shape[0] && lse.shape[1] == q.shape[1],
              "attention: unexpected {}", lse.describe());
}

void require_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                       std::span<const AttentionSpan> spans) {
  ILORA_CHECK(q.rank == 3 && k.rank == 3);
  require_heads(q, q.shape[0], q.shape[1], q.shape[2]);
  require_heads(k, k.shape[0], k.shape[1], q.shape[2]);
  require_heads(v, k.shape[0], k.shape[1], q.shape[2]);
  ILORA_CHECK(q.dtype == k.dtype && q.dtype == v.dtype, "attention: {} with {}", q.describe(),
              k.describe());
  ILORA_CHECK(k.shape[1] > 0 && q.shape[1] % k.shape[1] == 0, "attention: {} heads, {} key heads",
              q.shape[1], k.shape[1]);
  for (const AttentionSpan& s : spans) {
    ILORA_CHECK(
        s.query_begin >= 0 && s.query_len >= 0 && s.query_begin + s.query_len <= q.shape[0] &&
            s.key_begin >= 0 && s.key_len >= s.query_len && s.key_begin + s.key_len <= k.shape[0] &&
            s.shared_begin >= 0 && s.shared_len >= 0 && s.shared_begin + s.shared_len <= k.shape[0],
        "attention: queries {}+{} and keys {}+{} and {}+{} of {} and {} rows", s.query_begin,
        s.query_len, s.shared_begin, s.shared_len, s.key_begin, s.key_len, q.shape[0], k.shape[0]);
  }
}

namespace {

void attention(Tensor o, Tensor lse, Tensor q, Tensor k, Tensor v, AttentionSpans spans) {
  require_attention(q, k, v, lse, spans);
  require_heads(o, q.shape[0], q.shape[1], q.shape[2]);
  HWY_DYNAMIC_DISPATCH(attention)(o, lse, q, k, v, spans);
}

}  // namespace

void install_attention(Kernels& table) {
  table.attention = attention;
}

}  // namespace ilora::cpu
#endif  // HWY_ONCE
