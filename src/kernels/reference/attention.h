// Causal attention over spans of packed rows, and its gradient.
#pragma once

#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "kernels/reference/cells.h"

namespace ilora::reference {

// Shapes of an attention call; heads of queries per head of keys.
inline int64_t check_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                               const AttentionSpans& spans) {
  const int64_t heads = q.shape[1], kv_heads = k.shape[1], width = q.shape[2];
  require_shape("attention", q, {q.shape[0], heads, width});
  require_shape("attention", k, {k.shape[0], kv_heads, width});
  require_shape("attention", v, {k.shape[0], kv_heads, width});
  ILORA_CHECK(q.dtype == k.dtype && q.dtype == v.dtype, "attention: {} with {}", q.describe(),
              k.describe());
  ILORA_CHECK(kv_heads > 0 && heads % kv_heads == 0, "attention: {} query heads, {} key heads",
              heads, kv_heads);
  ILORA_CHECK(spans.window >= 0 && spans.soft_cap >= 0, "attention: window {}, soft cap {}",
              spans.window, spans.soft_cap);
  for (const AttentionSpan& s : spans.spans) {
    ILORA_CHECK(
        s.query_begin >= 0 && s.query_len >= 0 && s.query_begin + s.query_len <= q.shape[0] &&
            s.key_begin >= 0 && s.key_len >= s.query_len && s.key_begin + s.key_len <= k.shape[0] &&
            s.shared_begin >= 0 && s.shared_len >= 0 && s.shared_begin + s.shared_len <= k.shape[0],
        "attention: span of queries {}+{} and keys {}+{} and {}+{} in {} and {} rows",
        s.query_begin, s.query_len, s.shared_begin, s.shared_len, s.key_begin, s.key_len,
        q.shape[0], k.shape[0]);
  }
  return heads / kv_heads;
}

template <class W, class A, class B>
W inner_product(const A& a, int64_t row_a, int64_t head_a, const B& b, int64_t row_b,
                int64_t head_b, int64_t width) {
  W sum = 0;
  for (int64_t d = 0; d < width; ++d) sum += a.get(row_a, head_a, d) * b.get(row_b, head_b, d);
  return sum;
}

// The first position that the query at `position` sees.
inline int64_t first_seen(const AttentionSpans& spans, int64_t position) {
  return spans.window > 0 ? std::max(int64_t{0}, position + 1 - spans.window) : 0;
}

// What a soft cap makes of a score, and its slope there.
template <class W>
W capped(const AttentionSpans& spans, W score) {
  using std::tanh;
  return spans.soft_cap > 0 ? spans.soft_cap * tanh(score / spans.soft_cap) : score;
}
template <class W>
W cap_slope(const AttentionSpans& spans, W capped_score) {
  if (spans.soft_cap <= 0) return 1;
  const W t = capped_score / spans.soft_cap;
  return 1.0 - t * t;
}

template <class T>
void attention(Tensor o, Tensor lse, Tensor q, Tensor k, Tensor v, AttentionSpans spans) {
  using W = Wide<T>;
  using std::exp;
  using std::log;
  const int64_t group = check_attention(q, k, v, spans), heads = q.shape[1], width = q.shape[2];
  require_shape("attention", o, {q.shape[0], heads, width});
  require_shape("attention", lse, {q.shape[0], heads});
  const Cells<T> co(o), cl(lse), cq(q), ck(k), cv(v);
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  std::vector<W> p;
  for (const AttentionSpan& span : spans.spans) {
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t i = 0; i < span.query_len; ++i) {
        const int64_t row = span.query_begin + i;
        const int64_t seen = span.shared_len + span.key_len - span.query_len + i + 1;
        const int64_t first = first_seen(spans, seen - 1);
        const auto key_row = [&](int64_t j) {
          return j < span.shared_len ? span.shared_begin + j : span.key_begin + j - span.shared_len;
        };
        p.assign(static_cast<size_t>(seen), W(0));
        double top = -std::numeric_limits<double>::infinity();
        for (int64_t j = first; j < seen; ++j) {
          W& score = p[static_cast<size_t>(j)];
          score = scale * inner_product<W>(cq, row, h, ck, key_row(j), h / group, width);
          score = capped(spans, score);
          top = std::max(top, real_part(score));
        }
        W sum = 0;
        for (int64_t j = first; j < seen; ++j) {
          W& score = p[static_cast<size_t>(j)];
          sum += (score = exp(score - top));
        }
        cl.set(top + log(sum), row, h);
        for (int64_t d = 0; d < width; ++d) {
          W value = 0;
          for (int64_t j = first; j < seen; ++j) {
            value += p[static_cast<size_t>(j)] * cv.get(key_row(j), h / group, d);
          }
          co.set(value / sum, row, h, d);
        }
      }
    }
  }
}

// With S = scale q k^T, P = exp(S - lse), o = P v: dv = P^T do, dP = do v^T, dS = P (dP - do.o), dq
// = scale dS k, dk = scale dS^T q. A soft cap's slope is one factor more of dS.
template <class T>
void attention_backward(Tensor dq, Tensor dk, Tensor dv, Tensor do_, Tensor q, Tensor k, Tensor v,
                        Tensor o, Tensor lse, AttentionSpans spans) {
  using W = Wide<T>;
  using std::exp;
  const int64_t group = check_attention(q, k, v, spans), heads = q.shape[1], kv_heads = k.shape[1],
                width = q.shape[2];
  for (const Tensor& t : {dq, do_, o})
    require_shape("attention_backward", t, {q.shape[0], heads, width});
  for (const Tensor& t : {dk, dv})
    require_shape("attention_backward", t, {k.shape[0], kv_heads, width});
  require_shape("attention_backward", lse, {q.shape[0], heads});
  const Cells<T> cdq(dq), cdk(dk), cdv(dv), cdo(do_), cq(q), ck(k), cv(v), co(o), cl(lse);
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  const auto at = [width](int64_t j, int64_t d) { return static_cast<size_t>(j * width + d); };
  for (const AttentionSpan& span : spans.spans) {
    ILORA_CHECK(span.query_len == span.key_len && span.shared_len == 0,
                "attention_backward: {} queries, {} keys, {} shared", span.query_len, span.key_len,
                span.shared_len);
    for (int64_t kv = 0; kv < kv_heads; ++kv) {
      std::vector<W> key_sum(static_cast<size_t>(span.key_len * width)), value_sum(key_sum.size());
      for (int64_t h = kv * group; h < (kv + 1) * group; ++h) {
        for (int64_t i = 0; i < span.query_len; ++i) {
          const int64_t row = span.query_begin + i;
          const W delta = inner_product<W>(cdo, row, h, co, row, h, width);
          std::vector<W> query_sum(static_cast<size_t>(width));
          for (int64_t j = first_seen(spans, i); j <= i; ++j) {
            const int64_t key = span.key_begin + j;
            const W score =
                capped<W>(spans, scale * inner_product<W>(cq, row, h, ck, key, kv, width));
            const W p = exp(score - cl.get(row, h));
            const W ds = scale * p * cap_slope(spans, score) *
                         (inner_product<W>(cdo, row, h, cv, key, kv, width) - delta);
            for (int64_t d = 0; d < width; ++d) {
              value_sum[at(j, d)] += p * cdo.get(row, h, d);
              key_sum[at(j, d)] += ds * cq.get(row, h, d);
              query_sum[at(0, d)] += ds * ck.get(key, kv, d);
            }
          }
          for (int64_t d = 0; d < width; ++d) cdq.set(query_sum[at(0, d)], row, h, d);
        }
      }
      for (int64_t j = 0; j < span.key_len; ++j) {
        for (int64_t d = 0; d < width; ++d) {
          cdk.set(key_sum[at(j, d)], span.key_begin + j, kv, d);
          cdv.set(value_sum[at(j, d)], span.key_begin + j, kv, d);
        }
      }
    }
  }
}

template <class T>
void attention_step(Tensor o, Tensor q, Tensor k, Tensor v, std::span<const AttentionSpan> spans) {
  for (const AttentionSpan& span : spans)
    ILORA_CHECK(span.query_len == 1 && span.shared_len == 0,
                "attention_step: {} queries, {} shared keys", span.query_len, span.shared_len);
  const Buffer lse(DTypeOf<T>::value, {q.shape[0], q.shape[1]});
  attention<T>(o, lse.view(), q, k, v, spans);
}

template <class T>
constexpr void install_attention(Kernels& table) {
  table.attention = attention<T>;
  table.attention_step = attention_step<T>;
  table.attention_backward = attention_backward<T>;
}

}  // namespace ilora::reference
