// Operations on whole vectors: what the optimiser, the methods and the micro-passes need.
// Contracts: kernels.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/vectors.cpp"  // NOLINT
#include <hwy/foreach_target.h>
// foreach_target.h first
#include <hwy/highway.h>

#include <cmath>

#include "base/parallel.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {

void add(float* y, double factor, Tensor x) {
  const VF scale = hn::Set(DF(), static_cast<float>(factor));
  const int64_t step = lanes();
  parallel_for(x.size(), kVectorChunk, [&](int64_t begin, int64_t end) HWY_ATTR {
    HWY_ALIGN float buffer[kBlock];
    const Row row(x, begin);
    for (int64_t i = 0; i < end - begin; i += kBlock) {
      const int64_t count = HWY_MIN(kBlock, end - begin - i);
      const float* in = row.read(i, count, buffer);
      float* out = y + begin + i;
      for (int64_t j = 0; j < count; j += step)
        store(hn::MulAdd(scale, load(in + j, count - j), load(out + j, count - j)), out + j,
              count - j);
    }
  });
}

void fill(Tensor y, double value) {
  const VF v = hn::Set(DF(), static_cast<float>(value));
  const int64_t step = lanes();
  parallel_for(y.size(), kVectorChunk, [&](int64_t begin, int64_t end) HWY_ATTR {
    HWY_ALIGN float buffer[kBlock];
    const Row row(y, begin);
    for (int64_t i = 0; i < end - begin; i += kBlock) {
      const int64_t count = HWY_MIN(kBlock, end - begin - i);
      float* out = row.target(i, buffer);
      for (int64_t j = 0; j < count; j += step) store(v, out + j, count - j);
      row.done(i, count, buffer);
    }
  });
}

void scale(float* y, int64_t n, double factor) {
  const VF scale = hn::Set(DF(), static_cast<float>(factor));
  const int64_t step = lanes();
  parallel_for(n, kVectorChunk, [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t i = begin; i < end; i += step)
      store(hn::Mul(load(y + i, end - i), scale), y + i, end - i);
  });
}

// fast + lambda (slow - fast): equal vectors stay equal.
void interpolate(float* slow, const float* fast, int64_t n, double lambda) {
  const VF l = hn::Set(DF(), static_cast<float>(lambda));
  const int64_t step = lanes();
  parallel_for(n, kVectorChunk, [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t i = begin; i < end; i += step) {
      const VF s = load(slow + i, end - i), f = load(fast + i, end - i);
      store(hn::MulAdd(l, hn::Sub(s, f), f), slow + i, end - i);
    }
  });
}

// Sum of x*y, or of (x-y)^2, in double: one partial sum per chunk, added in order.
template <bool kDistance>
HWY_INLINE double reduce(const Tensor& x, const Tensor& y, double* partials) {
  const hn::ScalableTag<double> dd;
  const hn::Rebind<float, decltype(dd)> half;
  const auto step = static_cast<int64_t>(hn::Lanes(dd));
  parallel_for(x.size(), kVectorChunk, [&](int64_t begin, int64_t end) HWY_ATTR {
    HWY_ALIGN float buffer[2][kBlock];
    const Row row_x(x, begin), row_y(y, begin);
    auto total = hn::Zero(dd);
    double rest = 0;
    for (int64_t i = 0; i < end - begin; i += kBlock) {
      const int64_t count = HWY_MIN(kBlock, end - begin - i);
      const float* a = row_x.read(i, count, buffer[0]);
      const float* b = row_y.read(i, count, buffer[1]);
      int64_t j = 0;
      for (; j + step <= count; j += step) {
        const auto va = hn::PromoteTo(dd, hn::LoadU(half, a + j)),
                   vb = hn::PromoteTo(dd, hn::LoadU(half, b + j));
        const auto t = hn::Sub(va, vb);
        total = kDistance ? hn::MulAdd(t, t, total) : hn::MulAdd(va, vb, total);
      }
      for (; j < count; ++j) {
        const double va = static_cast<double>(a[j]), vb = static_cast<double>(b[j]);
        rest += kDistance ? (va - vb) * (va - vb) : va * vb;
      }
    }
    partials[begin / kVectorChunk] = hn::GetLane(hn::SumOfLanes(dd, total)) + rest;
  });
  double result = 0;
  for (int64_t c = 0; c * kVectorChunk < x.size(); ++c) result += partials[c];
  return result;
}

double dot(Tensor x, Tensor y, double* partials) {
  return reduce<false>(x, y, partials);
}
double squared_distance(Tensor x, Tensor y, double* partials) {
  return reduce<true>(x, y, partials);
}

void adamw(float* theta, float* m, float* v, const float* g, int64_t n, const AdamWStep& s) {
  const DF d;
  const double correction1 = 1.0 - std::pow(s.beta1, static_cast<double>(s.step));
  const double correction2 = 1.0 - std::pow(s.beta2, static_cast<double>(s.step));
  const auto set = [&](double value) HWY_ATTR { return hn::Set(d, static_cast<float>(value)); };
  const VF beta1 = set(s.beta1), rest1 = set(1.0 - s.beta1), beta2 = set(s.beta2),
           rest2 = set(1.0 - s.beta2);
  const VF decay = set(1.0 - s.learning_rate * s.weight_decay),
           rate = set(s.learning_rate / correction1);
  const VF second = set(1.0 / correction2), epsilon = set(s.epsilon);
  const int64_t step = lanes();
  parallel_for(n, kVectorChunk, [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t i = begin; i < end; i += step) {
      const int64_t left = end - i;
      const VF grad = load(g + i, left);
      const VF first = hn::MulAdd(beta1, load(m + i, left), hn::Mul(rest1, grad));
      const VF square = hn::MulAdd(beta2, load(v + i, left), hn::Mul(rest2, hn::Mul(grad, grad)));
      const VF root = hn::Add(hn::Sqrt(hn::Mul(square, second)), epsilon);
      const VF value = hn::Mul(load(theta + i, left), decay);
      store(hn::NegMulAdd(rate, hn::Div(first, root), value), theta + i, left);
      store(first, m + i, left);
      store(square, v + i, left);
    }
  });
}

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ilora::cpu {

HWY_EXPORT(add);
HWY_EXPORT(fill);
HWY_EXPORT(scale);
HWY_EXPORT(interpolate);
HWY_EXPORT(dot);
HWY_EXPORT(squared_distance);
HWY_EXPORT(adamw);

namespace {

void require_alike(const char* op, const Tensor& y, const Tensor& x) {
  ILORA_CHECK(y.size() == x.size() && y.contiguous() && x.contiguous(), "{} of {} and {}", op,
              y.describe(), x.describe());
}

double* partial_sums(const Tensor& x) {
  const auto chunks = static_cast<size_t>(x.size() / kVectorChunk + 1);
  return static_cast<double*>(scratch(Slot::kPartials, chunks * sizeof(double)));
}

void convert(Tensor y, Tensor x) {
  require_alike("convert", y, x);
  // As rows of one chunk each, and the rest.
  const int64_t whole = x.size() / kVectorChunk, rest = x.size() % kVectorChunk;
  convert_rows(y.data, y.dtype, kVectorChunk, x.data, x.dtype, kVectorChunk, whole, kVectorChunk);
  convert_rows(static_cast<char*>(y.data) + dtype_bytes(y.dtype, whole * kVectorChunk), y.dtype,
               rest, static_cast<char*>(x.data) + dtype_bytes(x.dtype, whole * kVectorChunk),
               x.dtype, rest, 1, rest);
}

void add(Tensor y, Tensor x) {
  require_alike("add", y, x);
  HWY_DYNAMIC_DISPATCH(add)(y.ptr<float>(), 1.0, x);
}

void axpy(Tensor y, double factor, Tensor x) {
  require_alike("axpy", y, x);
  HWY_DYNAMIC_DISPATCH(add)(y.ptr<float>(), factor, x);
}

void fill(Tensor y, double value) {
  require_alike("fill", y, y);
  HWY_DYNAMIC_DISPATCH(fill)(y, value);
}

void scale(Tensor y, double factor) {
  require_alike("scale", y, y);
  HWY_DYNAMIC_DISPATCH(scale)(y.ptr<float>(), y.size(), factor);
}

void interpolate(Tensor slow, Tensor fast, double lambda) {
  require_alike("interpolate", slow, fast);
  if (lambda == 1.0) return;
  if (lambda == 0.0) {
    convert(slow, fast);
    return;
  }
  HWY_DYNAMIC_DISPATCH(interpolate)(slow.ptr<float>(), fast.ptr<float>(), slow.size(), lambda);
}

double dot(Tensor x, Tensor y) {
  require_alike("dot", x, y);
  return HWY_DYNAMIC_DISPATCH(dot)(x, y, partial_sums(x));
}

double squared_distance(Tensor x, Tensor y) {
  require_alike("squared_distance", x, y);
  return HWY_DYNAMIC_DISPATCH(squared_distance)(x, y, partial_sums(x));
}

void adamw(Tensor theta, Tensor m, Tensor v, Tensor g, const AdamWStep& step) {
  for (const Tensor& t : {m, v, g}) require_alike("adamw", theta, t);
  ILORA_CHECK(step.step >= 1, "adamw: step {}", step.step);
  HWY_DYNAMIC_DISPATCH(adamw)
  (theta.ptr<float>(), m.ptr<float>(), v.ptr<float>(), g.ptr<float>(), theta.size(), step);
}

}  // namespace

void install_vectors(Kernels& table) {
  table.convert = convert;
  table.add = add;
  table.fill = fill;
  table.scale = scale;
  table.axpy = axpy;
  table.interpolate = interpolate;
  table.dot = dot;
  table.squared_distance = squared_distance;
  table.adamw = adamw;
}

}  // namespace ilora::cpu
#endif  // HWY_ONCE
