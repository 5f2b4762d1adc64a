// Cross-entropy, divergence from a teacher's distribution, and distances between hidden states, row
// by row. Contracts: kernels.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/losses.cpp"  // NOLINT
#include <hwy/foreach_target.h>
// foreach_target.h first
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "base/parallel.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {

HWY_INLINE float row_maximum(const float* x, int64_t n) {
  const DF d;
  const int64_t step = lanes();
  VF a = hn::Set(d, x[0]), b = a;
  int64_t i = 0;
  for (; i + 2 * step <= n; i += 2 * step) {
    a = hn::Max(a, hn::LoadU(d, x + i));
    b = hn::Max(b, hn::LoadU(d, x + i + step));
  }
  float top = maximum(hn::Max(a, b));
  for (; i < n; ++i) top = x[i] > top ? x[i] : top;
  return top;
}

// Sum of exp(x - top); with kStore the terms replace x.
template <bool kStore>
HWY_INLINE float exponential_sum(float* x, int64_t n, float top) {
  const DF d;
  const int64_t step = lanes();
  const VF shift = hn::Set(d, top);
  VF a = hn::Zero(d), b = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * step <= n; i += 2 * step) {
    const VF e0 = exponential(hn::Sub(hn::LoadU(d, x + i), shift));
    const VF e1 = exponential(hn::Sub(hn::LoadU(d, x + i + step), shift));
    a = hn::Add(a, e0);
    b = hn::Add(b, e1);
    if (kStore) {
      hn::StoreU(e0, d, x + i);
      hn::StoreU(e1, d, x + i + step);
    }
  }
  float total = sum(hn::Add(a, b));
  for (; i < n; i += step) {
    const int64_t m = HWY_MIN(step, n - i);
    const VF e = exponential(hn::Sub(load(x + i, m), shift));
    const VF kept = hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(m)), e);
    total += sum(kept);
    if (kStore) store(e, x + i, m);
  }
  return total;
}

void cross_entropy(Tensor loss, Tensor logits, const int32_t* targets) {
  const int64_t width = logits.shape[1];
  parallel_for(logits.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      float* x = logits.ptr<float>() + n * logits.stride[0];
      const float top = row_maximum(x, width);
      const float total = exponential_sum<false>(x, width, top);
      loss.ptr<float>()[n * loss.stride[0]] = std::log(total) + (top - x[targets[n]]);
    }
  });
}

void cross_entropy_backward(Tensor loss, Tensor logits, const int32_t* targets,
                            const float* weights) {
  const DF d;
  const int64_t width = logits.shape[1], step = lanes();
  parallel_for(logits.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      float* x = logits.ptr<float>() + n * logits.stride[0];
      const float top = row_maximum(x, width), picked = x[targets[n]];
      const float total = exponential_sum<true>(x, width, top);
      loss.ptr<float>()[n * loss.stride[0]] = std::log(total) + (top - picked);
      const VF factor = hn::Set(d, weights[n] / total);
      for (int64_t i = 0; i < width; i += step)
        store(hn::Mul(load(x + i, width - i), factor), x + i, width - i);
      x[targets[n]] -= weights[n];
    }
  });
}

// Of two rows of logits, with a = (teacher - its largest) / temperature and b the same of `logits`.
struct DivergenceSums {
  float top_q, total_p, total_q;  // the largest logit, sums of exp(a) and of exp(b)
  float loss;
};

// With kStore exp(a) replaces the teacher's row. KL = sum exp(a) (a - b) / total_p + log total_q -
// log total_p.
template <bool kStore>
HWY_INLINE DivergenceSums divergence_sums(const float* logits, float* teacher, int64_t n,
                                          float inverse_temperature) {
  const DF d;
  const int64_t step = lanes();
  const float top_q = row_maximum(logits, n), top_p = row_maximum(teacher, n);
  const VF inverse = hn::Set(d, inverse_temperature);
  const VF shift_q = hn::Set(d, top_q), shift_p = hn::Set(d, top_p);
  VF total_p = hn::Zero(d), total_q = hn::Zero(d), inner = hn::Zero(d);
  for (int64_t i = 0; i < n; i += step) {
    const int64_t m = HWY_MIN(step, n - i);
    const auto inside = hn::FirstN(d, static_cast<size_t>(m));
    const VF a = hn::Mul(hn::Sub(load(teacher + i, m), shift_p), inverse);
    const VF b = hn::Mul(hn::Sub(load(logits + i, m), shift_q), inverse);
    const VF p = hn::IfThenElseZero(inside, exponential(a));
    const VF q = hn::IfThenElseZero(inside, exponential(b));
    // Where p is 0, a may be infinite; a NaN is not equal to 0 and survives.
    const VF term = hn::IfThenZeroElse(hn::Eq(p, hn::Zero(d)), hn::Mul(p, hn::Sub(a, b)));
    total_p = hn::Add(total_p, p);
    total_q = hn::Add(total_q, q);
    inner = hn::Add(inner, term);
    if (kStore) store(p, teacher + i, m);
  }
  DivergenceSums s;
  s.top_q = top_q;
  s.total_p = sum(total_p);
  s.total_q = sum(total_q);
  // In double: between distributions that are near each other these cancel.
  const double p = s.total_p, q = s.total_q;
  s.loss = static_cast<float>(sum(inner) / p + std::log(q / p));
  return s;
}

void kl_divergence(Tensor loss, Tensor logits, Tensor teacher, double temperature) {
  const int64_t width = logits.shape[1];
  const auto inverse = static_cast<float>(1.0 / temperature);
  parallel_for(logits.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      const float* x = logits.ptr<float>() + n * logits.stride[0];
      float* t = teacher.ptr<float>() + n * teacher.stride[0];
      loss.ptr<float>()[n * loss.stride[0]] = divergence_sums<false>(x, t, width, inverse).loss;
    }
  });
}

void kl_divergence_backward(Tensor loss, Tensor logits, Tensor teacher, double temperature,
                            const float* weights) {
  const DF d;
  const int64_t width = logits.shape[1], step = lanes();
  const auto inverse = static_cast<float>(1.0 / temperature);
  parallel_for(logits.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      const float* x = logits.ptr<float>() + n * logits.stride[0];
      float* t = teacher.ptr<float>() + n * teacher.stride[0];
      const DivergenceSums s = divergence_sums<true>(x, t, width, inverse);
      loss.ptr<float>()[n * loss.stride[0]] = s.loss;
      const float factor = weights[n] * inverse;
      const VF factor_p = hn::Set(d, factor / s.total_p), factor_q = hn::Set(d, factor / s.total_q);
      const VF shift = hn::Set(d, s.top_q), scale = hn::Set(d, inverse);
      for (int64_t i = 0; i < width; i += step) {
        const int64_t m = width - i;
        const VF q = exponential(hn::Mul(hn::Sub(load(x + i, m), shift), scale));
        const VF dx = hn::Sub(hn::Mul(factor_q, q), hn::Mul(factor_p, load(t + i, m)));
        store(dx, t + i, m);
      }
    }
  });
}

HWY_INLINE VF difference(const float* a, const float* b, int64_t n, bool one_sided) {
  const VF v = hn::Sub(load(a, n), load(b, n));
  return one_sided ? hn::Min(hn::Zero(DF()), v) : v;  // in this order a NaN survives
}

void row_squared_distance(Tensor out, Tensor a, Tensor b, bool one_sided) {
  const int64_t width = a.shape[1], step = lanes();
  parallel_for(a.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      const float* x = a.ptr<float>() + n * a.stride[0];
      const float* y = b.ptr<float>() + n * b.stride[0];
      VF total = hn::Zero(DF());
      for (int64_t i = 0; i < width; i += step) {
        const VF v = difference(x + i, y + i, width - i, one_sided);
        total = hn::MulAdd(v, v, total);
      }
      out.ptr<float>()[n * out.stride[0]] = sum(total);
    }
  });
}

void row_distance_backward(Tensor da, Tensor a, Tensor b, Tensor weights, bool one_sided) {
  const int64_t width = a.shape[1], step = lanes();
  parallel_for(a.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      const float* x = a.ptr<float>() + n * a.stride[0];
      const float* y = b.ptr<float>() + n * b.stride[0];
      float* out = da.ptr<float>() + n * da.stride[0];
      const VF factor = hn::Set(DF(), weights.ptr<float>()[n * weights.stride[0]]);
      for (int64_t i = 0; i < width; i += step) {
        const int64_t m = width - i;
        store(hn::MulAdd(factor, difference(x + i, y + i, m, one_sided), load(out + i, m)), out + i,
              m);
      }
    }
  });
}

void soft_cap(Tensor y, float cap) {
  const DF d;
  const int64_t width = y.shape[1], step = lanes();
  const VF factor = hn::Set(d, cap), inverse = hn::Set(d, 1.0f / cap);
  parallel_for(y.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      float* row = y.ptr<float>() + n * y.stride[0];
      for (int64_t i = 0; i < width; i += step) {
        const VF x = hn::Mul(load(row + i, width - i), inverse);
        store(hn::Mul(factor, hyperbolic_tangent(x)), row + i, width - i);
      }
    }
  });
}

void soft_cap_backward(Tensor dy, Tensor y, float cap) {
  const DF d;
  const int64_t width = y.shape[1], step = lanes();
  const VF one = hn::Set(d, 1.0f), inverse = hn::Set(d, 1.0f / cap);
  parallel_for(y.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      float* gradient = dy.ptr<float>() + n * dy.stride[0];
      const float* row = y.ptr<float>() + n * y.stride[0];
      for (int64_t i = 0; i < width; i += step) {
        const VF t = hn::Mul(load(row + i, width - i), inverse);
        const VF g = load(gradient + i, width - i);
        store(hn::Mul(g, hn::NegMulAdd(t, t, one)), gradient + i, width - i);
      }
    }
  });
}

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ilora::cpu {

HWY_EXPORT(cross_entropy);
HWY_EXPORT(cross_entropy_backward);
HWY_EXPORT(kl_divergence);
HWY_EXPORT(kl_divergence_backward);
HWY_EXPORT(row_squared_distance);
HWY_EXPORT(row_distance_backward);
HWY_EXPORT(soft_cap);
HWY_EXPORT(soft_cap_backward);

namespace {

void require_matrix(const char* op, const Tensor& t, int64_t rows, int64_t width) {
  ILORA_CHECK(
      t.rank == 2 && t.shape[0] == rows && t.shape[1] == width && (t.stride[1] == 1 || width == 1),
      "{}: unexpected {}", op, t.describe());
}
void require_vector(const char* op, const Tensor& t, int64_t size) {
  ILORA_CHECK(t.rank == 1 && t.shape[0] == size, "{}: unexpected {}", op, t.describe());
}
void require_targets(const Tensor& loss, const Tensor& logits, std::span<const int32_t> targets) {
  require_matrix("cross_entropy", logits, static_cast<int64_t>(targets.size()), logits.shape[1]);
  require_vector("cross_entropy", loss, logits.shape[0]);
  for (const int32_t target : targets) {
    ILORA_CHECK(target >= 0 && target < logits.shape[1], "cross_entropy: target {} of {}", target,
                logits.shape[1]);
  }
}

void require_divergence(const Tensor& loss, const Tensor& logits, const Tensor& teacher,
                        double temperature) {
  for (const Tensor& t : {logits, teacher})
    require_matrix("kl_divergence", t, logits.shape[0], logits.shape[1]);
  require_vector("kl_divergence", loss, logits.shape[0]);
  ILORA_CHECK(temperature > 0, "kl_divergence: temperature {}", temperature);
}

void cross_entropy(Tensor loss, Tensor logits, std::span<const int32_t> targets) {
  require_targets(loss, logits, targets);
  HWY_DYNAMIC_DISPATCH(cross_entropy)(loss, logits, targets.data());
}

void cross_entropy_backward(Tensor loss, Tensor logits, std::span<const int32_t> targets,
                            std::span<const float> scale) {
  require_targets(loss, logits, targets);
  ILORA_CHECK(scale.size() == targets.size(), "cross_entropy: {} scales, {} targets", scale.size(),
              targets.size());
  HWY_DYNAMIC_DISPATCH(cross_entropy_backward)(loss, logits, targets.data(), scale.data());
}

void kl_divergence(Tensor loss, Tensor logits, Tensor teacher, double temperature) {
  require_divergence(loss, logits, teacher, temperature);
  HWY_DYNAMIC_DISPATCH(kl_divergence)(loss, logits, teacher, temperature);
}

void kl_divergence_backward(Tensor loss, Tensor logits, Tensor teacher, double temperature,
                            std::span<const float> scale) {
  require_divergence(loss, logits, teacher, temperature);
  ILORA_CHECK(static_cast<int64_t>(scale.size()) == logits.shape[0],
              "kl_divergence: {} scales, {} rows", scale.size(), logits.shape[0]);
  HWY_DYNAMIC_DISPATCH(kl_divergence_backward)(loss, logits, teacher, temperature, scale.data());
}

void row_squared_distance(Tensor out, Tensor a, Tensor b, bool one_sided) {
  require_matrix("row_squared_distance", a, a.shape[0], a.shape[1]);
  require_matrix("row_squared_distance", b, a.shape[0], a.shape[1]);
  require_vector("row_squared_distance", out, a.shape[0]);
  HWY_DYNAMIC_DISPATCH(row_squared_distance)(out, a, b, one_sided);
}

void row_distance_backward(Tensor da, Tensor a, Tensor b, Tensor scale, bool one_sided) {
  for (const Tensor& t : {da, a, b})
    require_matrix("row_distance_backward", t, a.shape[0], a.shape[1]);
  require_vector("row_distance_backward", scale, a.shape[0]);
  HWY_DYNAMIC_DISPATCH(row_distance_backward)(da, a, b, scale, one_sided);
}

void soft_cap(Tensor y, double cap) {
  require_matrix("soft_cap", y, y.shape[0], y.shape[1]);
  ILORA_CHECK(cap > 0, "soft cap {}", cap);
  HWY_DYNAMIC_DISPATCH(soft_cap)(y, static_cast<float>(cap));
}

void soft_cap_backward(Tensor dy, Tensor y, double cap) {
  for (const Tensor& t : {dy, y}) require_matrix("soft_cap_backward", t, y.shape[0], y.shape[1]);
  ILORA_CHECK(cap > 0, "soft cap {}", cap);
  HWY_DYNAMIC_DISPATCH(soft_cap_backward)(dy, y, static_cast<float>(cap));
}

}  // namespace

void install_losses(Kernels& table) {
  table.cross_entropy = cross_entropy;
  table.cross_entropy_backward = cross_entropy_backward;
  table.kl_divergence = kl_divergence;
  table.kl_divergence_backward = kl_divergence_backward;
  table.row_squared_distance = row_squared_distance;
  table.row_distance_backward = row_distance_backward;
  table.soft_cap = soft_cap;
  table.soft_cap_backward = soft_cap_backward;
}

}  // namespace ilora::cpu
#endif  // HWY_ONCE
