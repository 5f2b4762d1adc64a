// Losses of logits and distances between rows, and their gradients.
#pragma once

#include <cmath>
#include <limits>
#include <span>

#include "kernels/reference/cells.h"

namespace ilora::reference {

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

template <class T>
constexpr void install_losses(Kernels& table) {
  table.cross_entropy = cross_entropy<T>;
  table.cross_entropy_backward = cross_entropy_backward<T>;
  table.kl_divergence = kl_divergence<T>;
  table.kl_divergence_backward = kl_divergence_backward<T>;
  table.row_squared_distance = row_squared_distance<T>;
  table.row_distance_backward = row_distance_backward<T>;
}

}  // namespace ilora::reference
