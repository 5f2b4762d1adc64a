// LayerNorm of the fast table. Contract: kernels.h. Means and sums of squares run in two passes, so
// that a mean far from 0 costs no digits.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/layernorm.cpp"  // NOLINT
#include <hwy/foreach_target.h>
// foreach_target.h first
#include <hwy/highway.h>

#include <cmath>

#include "base/parallel.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {

HWY_INLINE float mean_of(const float* x, int64_t width) {
  VF total = hn::Zero(DF());
  for (int64_t i = 0; i < width; i += lanes()) total = hn::Add(total, load(x + i, width - i));
  return sum(total) / static_cast<float>(width);
}

// x - mean in the first n lanes, 0 behind them.
HWY_INLINE VF centred(const float* x, int64_t n, float mean) {
  const DF d;
  const VF v = hn::Sub(load(x, n), hn::Set(d, mean));
  return is_whole(n) ? v : hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(n)), v);
}

void layernorm(Tensor y, Tensor rstd, Tensor x, Tensor w, const float* bias, double eps) {
  const DF d;
  const int64_t width = x.shape[1], step = lanes();
  const float* weight = w.ptr<float>();
  parallel_for(x.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    HWY_ALIGN float buffer[kBlock];
    for (int64_t n = begin; n < end; ++n) {
      const float* in = x.ptr<float>() + n * x.stride[0];
      const float mean = mean_of(in, width);
      VF squares = hn::Zero(d);
      for (int64_t i = 0; i < width; i += step) {
        const VF v = centred(in + i, width - i, mean);
        squares = hn::MulAdd(v, v, squares);
      }
      const double variance = static_cast<double>(sum(squares)) / static_cast<double>(width);
      const auto r = static_cast<float>(1.0 / std::sqrt(variance + eps));
      rstd.ptr<float>()[n * rstd.stride[0]] = r;
      const Row row(y, n * y.stride[0]);
      for (int64_t i = 0; i < width; i += kBlock) {
        const int64_t count = HWY_MIN(kBlock, width - i);
        float* out = row.target(i, buffer);
        for (int64_t j = 0; j < count; j += step) {
          const int64_t m = count - j;
          const VF z = hn::Mul(centred(in + i + j, m, mean), hn::Set(d, r));
          VF v = hn::Mul(z, load(weight + i + j, m));
          if (bias != nullptr) v = hn::Add(v, load(bias + i + j, m));
          store(v, out + j, m);
        }
        row.done(i, count, buffer);
      }
    }
  });
}

// With z = (x - mean) r and g = dy w: dx += r (g - mean(g) - z mean(g z)).
void layernorm_backward(Tensor dx, Tensor dy, Tensor x, Tensor w, Tensor rstd) {
  const DF d;
  const int64_t width = x.shape[1], step = lanes();
  const float* weight = w.ptr<float>();
  parallel_for(x.shape[0], rows_per_chunk(width), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t n = begin; n < end; ++n) {
      const float* in = x.ptr<float>() + n * x.stride[0];
      const float* grad = dy.ptr<float>() + n * dy.stride[0];
      float* out = dx.ptr<float>() + n * dx.stride[0];
      const float r = rstd.ptr<float>()[n * rstd.stride[0]], mean = mean_of(in, width);
      VF total = hn::Zero(d), inner = hn::Zero(d);
      for (int64_t i = 0; i < width; i += step) {
        const VF g = hn::Mul(load(grad + i, width - i), load(weight + i, width - i));
        total = hn::Add(total, g);
        inner = hn::MulAdd(g, centred(in + i, width - i, mean), inner);
      }
      const auto share = 1.0f / static_cast<float>(width);
      const VF below = hn::Set(d, sum(total) * share), scale = hn::Set(d, r);
      const VF factor = hn::Set(d, r * r * sum(inner) * share);  // of x - mean
      for (int64_t i = 0; i < width; i += step) {
        const int64_t m = width - i;
        const VF g = hn::Sub(hn::Mul(load(grad + i, m), load(weight + i, m)), below);
        const VF v = hn::NegMulAdd(factor, centred(in + i, m, mean), g);
        store(hn::MulAdd(scale, v, load(out + i, m)), out + i, m);
      }
    }
  });
}

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ilora::cpu {

HWY_EXPORT(layernorm);
HWY_EXPORT(layernorm_backward);

namespace {

void require_rows(const char* op, const Tensor& t, const Tensor& like) {
  ILORA_CHECK(t.rank == 2 && t.shape[0] == like.shape[0] && t.shape[1] == like.shape[1] &&
                  (t.stride[1] == 1 || t.shape[1] == 1),
              "{}: unexpected {}", op, t.describe());
}
void require_vector(const char* op, const Tensor& t, int64_t size) {
  ILORA_CHECK(t.rank == 1 && t.shape[0] == size, "{}: unexpected {}", op, t.describe());
}

void layernorm(Tensor y, Tensor rstd, Tensor x, Tensor w, Tensor b, double eps) {
  require_rows("layernorm", x, x);
  require_rows("layernorm", y, x);
  require_vector("layernorm", rstd, x.shape[0]);
  require_vector("layernorm", w, x.shape[1]);
  if (b) require_vector("layernorm", b, x.shape[1]);
  HWY_DYNAMIC_DISPATCH(layernorm)(y, rstd, x, w, b ? b.ptr<float>() : nullptr, eps);
}

void layernorm_backward(Tensor dx, Tensor dy, Tensor x, Tensor w, Tensor rstd) {
  for (const Tensor& t : {x, dx, dy}) require_rows("layernorm_backward", t, x);
  require_vector("layernorm_backward", rstd, x.shape[0]);
  require_vector("layernorm_backward", w, x.shape[1]);
  HWY_DYNAMIC_DISPATCH(layernorm_backward)(dx, dy, x, w, rstd);
}

}  // namespace

void install_layernorm(Kernels& table) {
  table.layernorm = layernorm;
  table.layernorm_backward = layernorm_backward;
}

}  // namespace ilora::cpu
#endif  // HWY_ONCE
