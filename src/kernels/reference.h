// The operations of kernels.h as plain loops over one scalar type: the oracle of every other table.
//
// T is float, double or std::complex<double>. Sums run in double where T is float, and T|G
// arguments may then be BF16. Complex numbers serve differentiation by complex step (Squire and
// Trapp, 1998): f(x + ih) = f(x) + ih f'(x)
// + O(h^2), exact to rounding for h = 1e-30 as long as f is analytic. So nothing here conjugates,
// and branches compare real parts. reference.cpp makes the tables; nobody else includes this but
// tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "tensor/quant.h"

namespace ilora::reference {

inline double real_part(double x) {
  return x;
}
inline double real_part(const std::complex<double>& x) {
  return x.real();
}

// What sums and intermediate values are held in.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, T>;

// Elements of a tensor by index, read as Wide<T> and rounded once when written. Indices count from
// the first dimension; a tensor of rank 3 is indexed with three.
template <class T>
class Cells {
 public:
  using W = Wide<T>;

  explicit Cells(const Tensor& t)
      : t_(t), bf16_(std::is_same_v<T, float> && t.dtype == DType::kBF16) {
    if (!bf16_ && t.data != nullptr) t.template ptr<T>();  // checks the type
  }

  int64_t dim(int axis) const { return t_.shape[static_cast<size_t>(axis)]; }

  W get(int64_t i, int64_t j = 0, int64_t k = 0) const {
    const int64_t at = offset(i, j, k);
    if constexpr (std::is_same_v<T, float>) {
      if (bf16_) return to_float(static_cast<const BFloat16*>(t_.data)[at]);
    }
    return static_cast<const T*>(t_.data)[at];
  }
  void set(W value, int64_t i, int64_t j = 0, int64_t k = 0) const {
    const int64_t at = offset(i, j, k);
    if constexpr (std::is_same_v<T, float>) {
      if (bf16_) {
        static_cast<BFloat16*>(t_.data)[at] = to_bfloat16(static_cast<float>(value));
        return;
      }
    }
    static_cast<T*>(t_.data)[at] = static_cast<T>(value);
  }
  void add(W value, int64_t i, int64_t j = 0, int64_t k = 0) const {
    set(get(i, j, k) + value, i, j, k);
  }

 private:
  int64_t offset(int64_t i, int64_t j, int64_t k) const {
    return i * t_.stride[0] + j * t_.stride[1] + k * t_.stride[2];
  }

  Tensor t_;
  bool bf16_;
};

// A contiguous tensor of any shape as a vector.
template <class T>
Cells<T> flat(const Tensor& t) {
  return Cells<T>(t.reshaped({t.size()}));
}

inline void require_shape(const char* op, const Tensor& t, std::initializer_list<int64_t> shape) {
  const bool same = t.rank == static_cast<int>(shape.size()) &&
                    std::equal(shape.begin(), shape.end(), t.shape.begin());
  ILORA_CHECK(same, "{}: unexpected shape {}", op, t.describe());
}

// ---- matrix products -------------------------------------------------------------------

template <class T>
void gemm(Tensor c, Tensor a, Tensor b, float alpha, float beta) {
  const int64_t rows = c.shape[0], columns = c.shape[1], depth = a.shape[1];
  require_shape("gemm", a, {rows, depth});
  require_shape("gemm", b, {depth, columns});
  ILORA_CHECK(a.dtype == b.dtype, "gemm of {} and {}", a.describe(), b.describe());
  const Cells<T> cc(c), ca(a), cb(b);
  parallel_for(rows, 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        Wide<T> sum = 0;
        for (int64_t p = 0; p < depth; ++p) sum += ca.get(i, p) * cb.get(p, j);
        sum *= static_cast<double>(alpha);
        if (beta != 0) sum += static_cast<double>(beta) * cc.get(i, j);
        cc.set(sum, i, j);
      }
    }
  });
}

// ---- stored weights --------------------------------------------------------------------

template <class T>
void expand(Tensor y, Tensor x, std::span<const int32_t> rows) {
  require_expandable(y, x, rows);
  const int64_t width = y.shape[1];
  const Cells<T> cy(y);
  parallel_for(y.shape[0], 64, [&](int64_t begin, int64_t end) {
    std::vector<float> values(static_cast<size_t>(width));
    for (int64_t n = begin; n < end; ++n) {
      const int64_t row = rows.empty() ? n : rows[static_cast<size_t>(n)];
      if (row < 0) {
        std::fill(values.begin(), values.end(), 0.0f);
      } else {
        const Tensor stored = x.rows(row, row + 1);
        expand_elements(values.data(), x.dtype, static_cast<const std::byte*>(stored.data), width);
      }
      for (int64_t d = 0; d < width; ++d) cy.set(values[static_cast<size_t>(d)], n, d);
    }
  });
}

// ---- rows ------------------------------------------------------------------------------

template <class T>
void embed(Tensor y, Tensor table, std::span<const int32_t> ids) {
  const int64_t width = y.shape[1];
  require_shape("embed", y, {static_cast<int64_t>(ids.size()), width});
  require_shape("embed", table, {table.shape[0], width});
  const Cells<T> cy(y), ct(table);
  for (int64_t n = 0; n < y.shape[0]; ++n) {
    const int32_t id = ids[static_cast<size_t>(n)];
    ILORA_CHECK(id < table.shape[0], "embed: id {} of {}", id, table.shape[0]);
    for (int64_t d = 0; d < width; ++d) cy.set(id < 0 ? Wide<T>(0) : ct.get(id, d), n, d);
  }
}

template <class T>
void rmsnorm(Tensor y, Tensor rstd, Tensor x, Tensor w, double eps) {
  using std::sqrt;
  const int64_t rows = x.shape[0], width = x.shape[1];
  require_shape("rmsnorm", y, {rows, width});
  require_shape("rmsnorm", rstd, {rows});
  require_shape("rmsnorm", w, {width});
  const Cells<T> cy(y), cr(rstd), cx(x), cw(w);
  for (int64_t n = 0; n < rows; ++n) {
    Wide<T> squares = 0;
    for (int64_t d = 0; d < width; ++d) squares += cx.get(n, d) * cx.get(n, d);
    const Wide<T> r = 1.0 / sqrt(squares / static_cast<double>(width) + eps);
    for (int64_t d = 0; d < width; ++d) cy.set(cx.get(n, d) * r * cw.get(d), n, d);
    cr.set(r, n);
  }
}

// y = x r w and dr/dx = -r^3 x / D, so dx = r (dy w) - r^3 x sum(dy w x) / D.
template <class T>
void rmsnorm_backward(Tensor dx, Tensor dy, Tensor x, Tensor w, Tensor rstd) {
  const int64_t rows = x.shape[0], width = x.shape[1];
  require_shape("rmsnorm_backward", dx, {rows, width});
  require_shape("rmsnorm_backward", dy, {rows, width});
  require_shape("rmsnorm_backward", w, {width});
  require_shape("rmsnorm_backward", rstd, {rows});
  const Cells<T> cdx(dx), cdy(dy), cx(x), cw(w), cr(rstd);
  for (int64_t n = 0; n < rows; ++n) {
    const Wide<T> r = cr.get(n);
    Wide<T> inner = 0;
    for (int64_t d = 0; d < width; ++d) inner += cdy.get(n, d) * cw.get(d) * cx.get(n, d);
    const Wide<T> factor = r * r * r * inner / static_cast<double>(width);
    for (int64_t d = 0; d < width; ++d)
      cdx.add(r * cdy.get(n, d) * cw.get(d) - factor * cx.get(n, d), n, d);
  }
}

template <class T>
void add_row(Tensor y, Tensor w) {
  const int64_t rows = y.shape[0], width = y.shape[1];
  require_shape("add_row", y, {rows, width});
  require_shape("add_row", w, {width});
  const Cells<T> cy(y), cw(w);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t d = 0; d < width; ++d) cy.add(cw.get(d), n, d);
  }
}

// A rotation, whose transpose (its gradient) is the rotation by the opposite angle.
template <class T>
void rope(Tensor y, Tensor x, Tensor cos, Tensor sin, std::span<const int32_t> positions,
          bool inverse) {
  const int64_t rows = x.shape[0], heads = x.shape[1], half = x.shape[2] / 2;
  require_shape("rope", x, {static_cast<int64_t>(positions.size()), heads, 2 * half});
  require_shape("rope", y, {rows, heads, 2 * half});
  require_shape("rope", cos, {cos.shape[0], half});
  require_shape("rope", sin, {cos.shape[0], half});
  const Cells<T> cy(y), cx(x), cc(cos), cs(sin);
  for (int64_t n = 0; n < rows; ++n) {
    const int32_t position = positions[static_cast<size_t>(n)];
    ILORA_CHECK(position >= 0 && position < cos.shape[0], "rope: position {} of {}", position,
                cos.shape[0]);
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t i = 0; i < half; ++i) {
        const Wide<T> c = cc.get(position, i),
                      s = inverse ? -cs.get(position, i) : cs.get(position, i);
        const Wide<T> first = cx.get(n, h, i), second = cx.get(n, h, i + half);
        cy.set(first * c - second * s, n, h, i);
        cy.set(second * c + first * s, n, h, i + half);
      }
    }
  }
}

template <class W>
W sigmoid(W x) {
  using std::exp;
  return 1.0 / (1.0 + exp(-x));
}

template <class T>
void swiglu(Tensor y, Tensor gate, Tensor up) {
  const int64_t rows = gate.shape[0], width = gate.shape[1];
  require_shape("swiglu", y, {rows, width});
  require_shape("swiglu", up, {rows, width});
  const Cells<T> cy(y), cg(gate), cu(up);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t f = 0; f < width; ++f) {
      const Wide<T> g = cg.get(n, f);
      cy.set(g * sigmoid(g) * cu.get(n, f), n, f);
    }
  }
}

// silu(g) = g s with s = sigmoid(g), s' = s (1 - s).
template <class T>
void swiglu_backward(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up) {
  const int64_t rows = gate.shape[0], width = gate.shape[1];
  for (const Tensor& t : {dgate, dup, dy, up}) require_shape("swiglu_backward", t, {rows, width});
  const Cells<T> cdg(dgate), cdu(dup), cdy(dy), cg(gate), cu(up);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t f = 0; f < width; ++f) {
      const Wide<T> g = cg.get(n, f), u = cu.get(n, f), d = cdy.get(n, f), s = sigmoid(g);
      cdu.set(d * g * s, n, f);
      cdg.set(d * u * s * (1.0 + g * (1.0 - s)), n, f);
    }
  }
}

template <class T>
void dropout(Tensor y, Tensor x, std::span<const uint64_t> row_keys, double p) {
  const int64_t rows = x.shape[0], width = x.shape[1];
  require_shape("dropout", x, {static_cast<int64_t>(row_keys.size()), width});
  require_shape("dropout", y, {rows, width});
  const Cells<T> cy(y), cx(x);
  const double factor = 1.0 / (1.0 - p);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t d = 0; d < width; ++d) {
      const bool keep = dropout_keep(row_keys[static_cast<size_t>(n)], d, p);
      cy.set(keep ? cx.get(n, d) * factor : Wide<T>(0), n, d);
    }
  }
}

// ---- attention -------------------------------------------------------------------------

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

// ---- losses ----------------------------------------------------------------------------

// log(sum(exp(logits row n / temperature))).
template <class T>
Wide<T> log_sum_exp(const Cells<T>& logits, int64_t n, double temperature = 1.0) {
  using std::exp;
  using std::log;
  double top = -std::numeric_limits<double>::infinity();
  for (int64_t c = 0; c < logits.dim(1); ++c) top = std::max(top, real_part(logits.get(n, c)));
  Wide<T> sum = 0;
  for (int64_t c = 0; c < logits.dim(1); ++c) sum += exp((logits.get(n, c) - top) / temperature);
  return top / temperature + log(sum);
}

template <class T>
void cross_entropy(Tensor loss, Tensor logits, std::span<const int32_t> targets) {
  require_shape("cross_entropy", logits, {static_cast<int64_t>(targets.size()), logits.shape[1]});
  require_shape("cross_entropy", loss, {logits.shape[0]});
  const Cells<T> cl(loss), cx(logits);
  for (int64_t n = 0; n < logits.shape[0]; ++n) {
    const int32_t target = targets[static_cast<size_t>(n)];
    ILORA_CHECK(target >= 0 && target < logits.shape[1], "cross_entropy: target {} of {}", target,
                logits.shape[1]);
    cl.set(log_sum_exp(cx, n) - cx.get(n, target), n);
  }
}

template <class T>
void cross_entropy_backward(Tensor loss, Tensor logits, std::span<const int32_t> targets,
                            std::span<const float> scale) {
  using std::exp;
  ILORA_CHECK(scale.size() == targets.size(), "cross_entropy: {} scales, {} targets", scale.size(),
              targets.size());
  cross_entropy<T>(loss, logits, targets);
  const Cells<T> cx(logits);
  for (int64_t n = 0; n < logits.shape[0]; ++n) {
    const Wide<T> lse = log_sum_exp(cx, n);
    const auto row = static_cast<size_t>(n);
    for (int64_t c = 0; c < logits.shape[1]; ++c) {
      const double onehot = c == targets[row] ? 1.0 : 0.0;
      cx.set(static_cast<double>(scale[row]) * (exp(cx.get(n, c) - lse) - onehot), n, c);
    }
  }
}

inline void check_kl_divergence(const Tensor& loss, const Tensor& logits, const Tensor& teacher,
                                double temperature) {
  require_shape("kl_divergence", teacher, {logits.shape[0], logits.shape[1]});
  require_shape("kl_divergence", loss, {logits.shape[0]});
  ILORA_CHECK(temperature > 0, "kl_divergence: temperature {}", temperature);
}

template <class T>
void kl_divergence(Tensor loss, Tensor logits, Tensor teacher, double temperature) {
  using std::exp;
  check_kl_divergence(loss, logits, teacher, temperature);
  const Cells<T> cl(loss), cx(logits), ct(teacher);
  for (int64_t n = 0; n < logits.shape[0]; ++n) {
    const Wide<T> lse_q = log_sum_exp(cx, n, temperature), lse_p = log_sum_exp(ct, n, temperature);
    Wide<T> sum = 0;
    for (int64_t c = 0; c < logits.shape[1]; ++c) {
      const Wide<T> log_q = cx.get(n, c) / temperature - lse_q;
      const Wide<T> log_p = ct.get(n, c) / temperature - lse_p;
      const Wide<T> p = exp(log_p);
      if (real_part(p) != 0) sum += p * (log_p - log_q);
    }
    cl.set(sum, n);
  }
}

// With log q = x / temperature - lse, d lse / dx = q / temperature and sum p = 1: dx = (q - p) /
// temperature.
template <class T>
void kl_divergence_backward(Tensor loss, Tensor logits, Tensor teacher, double temperature,
                            std::span<const float> scale) {
  using std::exp;
  ILORA_CHECK(static_cast<int64_t>(scale.size()) == logits.shape[0],
              "kl_divergence: {} scales, {} rows", scale.size(), logits.shape[0]);
  kl_divergence<T>(loss, logits, teacher, temperature);
  const Cells<T> cx(logits), ct(teacher);
  for (int64_t n = 0; n < logits.shape[0]; ++n) {
    const Wide<T> lse_q = log_sum_exp(cx, n, temperature), lse_p = log_sum_exp(ct, n, temperature);
    const double factor = static_cast<double>(scale[static_cast<size_t>(n)]) / temperature;
    for (int64_t c = 0; c < logits.shape[1]; ++c) {
      const Wide<T> q = exp(cx.get(n, c) / temperature - lse_q);
      const Wide<T> p = exp(ct.get(n, c) / temperature - lse_p);
      ct.set(factor * (q - p), n, c);
    }
  }
}

template <class W>
W distance_term(W a, W b, bool one_sided) {
  const W d = a - b;
  return one_sided && real_part(d) > 0 ? W(0) : d;
}

template <class T>
void row_squared_distance(Tensor out, Tensor a, Tensor b, bool one_sided) {
  require_shape("row_squared_distance", out, {a.shape[0]});
  require_shape("row_squared_distance", b, {a.shape[0], a.shape[1]});
  const Cells<T> co(out), ca(a), cb(b);
  for (int64_t n = 0; n < a.shape[0]; ++n) {
    Wide<T> sum = 0;
    for (int64_t c = 0; c < a.shape[1]; ++c) {
      const Wide<T> d = distance_term(ca.get(n, c), cb.get(n, c), one_sided);
      sum += d * d;
    }
    co.set(sum, n);
  }
}

template <class T>
void row_distance_backward(Tensor da, Tensor a, Tensor b, Tensor scale, bool one_sided) {
  require_shape("row_distance_backward", da, {a.shape[0], a.shape[1]});
  require_shape("row_distance_backward", b, {a.shape[0], a.shape[1]});
  require_shape("row_distance_backward", scale, {a.shape[0]});
  const Cells<T> cd(da), ca(a), cb(b), cs(scale);
  for (int64_t n = 0; n < a.shape[0]; ++n) {
    for (int64_t c = 0; c < a.shape[1]; ++c) {
      cd.add(cs.get(n) * distance_term(ca.get(n, c), cb.get(n, c), one_sided), n, c);
    }
  }
}

// ---- vectors ---------------------------------------------------------------------------

inline void require_alike(const char* op, const Tensor& y, const Tensor& x) {
  ILORA_CHECK(y.size() == x.size(), "{} of {} and {}", op, y.describe(), x.describe());
}

template <class T>
void convert(Tensor y, Tensor x) {
  require_alike("convert", y, x);
  const Cells<T> cy = flat<T>(y), cx = flat<T>(x);
  for (int64_t i = 0; i < y.size(); ++i) cy.set(cx.get(i), i);
}

template <class T>
void add(Tensor y, Tensor x) {
  require_alike("add", y, x);
  const Cells<T> cy = flat<T>(y), cx = flat<T>(x);
  for (int64_t i = 0; i < y.size(); ++i) cy.add(cx.get(i), i);
}

template <class T>
void fill(Tensor y, double value) {
  const Cells<T> cy = flat<T>(y);
  for (int64_t i = 0; i < y.size(); ++i) cy.set(value, i);
}

template <class T>
void scale(Tensor y, double factor) {
  const Cells<T> cy = flat<T>(y);
  for (int64_t i = 0; i < y.size(); ++i) cy.set(factor * cy.get(i), i);
}

template <class T>
void axpy(Tensor y, double factor, Tensor x) {
  require_alike("axpy", y, x);
  const Cells<T> cy = flat<T>(y), cx = flat<T>(x);
  for (int64_t i = 0; i < y.size(); ++i) cy.add(factor * cx.get(i), i);
}

template <class T>
void interpolate(Tensor slow, Tensor fast, double lambda) {
  require_alike("interpolate", slow, fast);
  if (lambda == 1.0) return;
  const Cells<T> cs = flat<T>(slow), cf = flat<T>(fast);
  for (int64_t i = 0; i < slow.size(); ++i) {
    cs.set(lambda == 0.0 ? cf.get(i) : lambda * cs.get(i) + (1.0 - lambda) * cf.get(i), i);
  }
}

template <class T>
double dot(Tensor x, Tensor y) {
  require_alike("dot", x, y);
  const Cells<T> cx = flat<T>(x), cy = flat<T>(y);
  Wide<T> sum = 0;
  for (int64_t i = 0; i < x.size(); ++i) sum += cx.get(i) * cy.get(i);
  return real_part(sum);
}

template <class T>
double squared_distance(Tensor x, Tensor y) {
  require_alike("squared_distance", x, y);
  const Cells<T> cx = flat<T>(x), cy = flat<T>(y);
  Wide<T> sum = 0;
  for (int64_t i = 0; i < x.size(); ++i) {
    const Wide<T> d = cx.get(i) - cy.get(i);
    sum += d * d;
  }
  return real_part(sum);
}

template <class T>
void adamw(Tensor theta, Tensor m, Tensor v, Tensor g, const AdamWStep& s) {
  using std::sqrt;
  for (const Tensor& t : {m, v, g}) require_alike("adamw", theta, t);
  ILORA_CHECK(s.step >= 1, "adamw: step {}", s.step);
  const Cells<T> ct = flat<T>(theta), cm = flat<T>(m), cv = flat<T>(v), cg = flat<T>(g);
  const double correction1 = 1.0 - std::pow(s.beta1, static_cast<double>(s.step));
  const double correction2 = 1.0 - std::pow(s.beta2, static_cast<double>(s.step));
  for (int64_t i = 0; i < theta.size(); ++i) {
    const Wide<T> gradient = cg.get(i);
    const Wide<T> first = s.beta1 * cm.get(i) + (1.0 - s.beta1) * gradient;
    const Wide<T> second = s.beta2 * cv.get(i) + (1.0 - s.beta2) * gradient * gradient;
    const Wide<T> decayed = ct.get(i) * (1.0 - s.learning_rate * s.weight_decay);
    const Wide<T> step = first / correction1 / (sqrt(second / correction2) + s.epsilon);
    ct.set(decayed - s.learning_rate * step, i);
    cm.set(first, i);
    cv.set(second, i);
  }
}

}  // namespace ilora::reference
