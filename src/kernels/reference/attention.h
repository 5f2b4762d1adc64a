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
                               std::span<const AttentionSpan> spans) {
  const int64_t heads = q.shape[1], kv_heads = k.shape[1], width = q.shape[2];
  require_shape("attention", q, {q.shape[0], heads, width});
  require_shape("attention", k, {k.shape[0], kv_heads, width});
  require_shape("attention", v, {k.shape[0], kv_heads, width});
  ILORA_CHECK(q.dtype == k.dtype && q.dtype == v.dtype, "attention: {} with {}", q.describe(),
              k.describe());
  ILORA_CHECK(kv_heads > 0 && heads % kv_heads == 0, "attention: {} query heads, {} key heads",
              heads, kv_heads);
  for (const AttentionSpan& s : spans) {
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

template <class T>
void attention(Tensor o, Tensor lse, Tensor q, Tensor k, Tensor v,
               std::span<const AttentionSpan> spans) {
  using W = Wide<T>;
  using std::exp;
  using std::log;
  const int64_t group = check_attention(q, k, v, spans), heads = q.shape[1], width = q.shape[2];
  require_shape("attention", o, {q.shape[0], heads, width});
  require_shape("attention", lse, {q.shape[0], heads});
  const Cells<T> co(o), cl(lse), cq(q), ck(k), cv(v);
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  std::vector<W> p;
  for (const AttentionSpan& span : spans) {
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t i = 0; i < span.query_len; ++i) {
        const int64_t row = span.query_begin + i;
        const int64_t seen = span.shared_len + span.key_len - span.query_len + i + 1;
        const auto key_row = [&](int64_t j) {
          return j < span.shared_len ? span.shared_begin + j : span.key_begin + j - span.shared_len;
        };
        p.assign(static_cast<size_t>(seen), W(0));
        double top = -std::numeric_limits<double>::infinity();
        for (int64_t j = 0; j < seen; ++j) {
          W& score = p[static_cast<size_t>(j)];
          score = scale * inner_product<W>(cq, row, h, ck, key_row(j), h / group, width);
          top = std::max(top, real_part(score));
        }
        W sum = 0;
        for (W& score : p) sum += (score = exp(score - top));
        cl.set(top + log(sum), row, h);
        for (int64_t d = 0; d < width; ++d) {
          W value = 0;
          for (int64_t j = 0; j < seen; ++j) {
            value += p[static_cast<size_t>(j)] * cv.get(key_row(j), h / group, d);
          }
          co.set(value / sum, row, h, d);
        }
      }
    }
  }
}

// With S = scale q k^T, P = exp(S - lse), o = P v: dv = P^T do, dP = do v^T, dS = P (dP - do.o), dq
// = scale dS k, dk = scale dS^T q.
template <class T>
void attention_backward(Tensor dq, Tensor dk, Tensor dv, Tensor do_, Tensor q, Tensor k, Tensor v,
                        Tensor o, Tensor lse, std::span<const AttentionSpan> spans) {
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
  for (const AttentionSpan& span : spans) {
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
          for (int64_t j = 0; j <= i; ++j) {
            const int64_t key = span.key_begin + j;
            const W p =
                exp(scale * inner_product<W>(cq, row, h, ck, key, kv, width) - cl.get(row, h));
            const W ds = scale * p * (inner_product<W>(cdo, row, h, cv, key, kv, width) - delta);
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
