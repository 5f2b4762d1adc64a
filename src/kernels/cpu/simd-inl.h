// Vector helpers of the Highway files. Included once per instruction set (foreach_target.h), hence
// the odd guard.
//
// All arithmetic is in f32. Rows of either type are read and written through Row below: in vectors
// (Row::typed) where a kernel's time goes there, else through a small buffer.
#include <hwy/highway.h>

#include <cstring>

#include "kernels/cpu/cpu.h"

#if defined(ILORA_KERNELS_CPU_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ILORA_KERNELS_CPU_SIMD_INL_H_
#undef ILORA_KERNELS_CPU_SIMD_INL_H_
#else
#define ILORA_KERNELS_CPU_SIMD_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;
using DU = hn::Rebind<uint32_t, DF>;
using DI = hn::Rebind<int32_t, DF>;
using DH = hn::Rebind<uint16_t, DF>;

constexpr int64_t kBlock = 1024;  // elements of a row that are staged at a time

HWY_INLINE int64_t lanes() {
  return static_cast<int64_t>(hn::Lanes(DF()));
}

// Whether n >= 1 elements fill a vector. Of one lane, any do; the compiler does not see n >= 1.
HWY_INLINE bool is_whole(int64_t n) {
  return hn::MaxLanes(DF()) == 1 || n >= lanes();
}

// n floats (the rest 0), where n may be less than a vector.
HWY_INLINE VF load(const float* p, int64_t n) {
  const DF d;
  if (is_whole(n)) return hn::LoadU(d, p);
  HWY_ALIGN float part[hn::MaxLanes(DF())] = {};
  memcpy(part, p, static_cast<size_t>(n) * sizeof(float));
  return hn::Load(d, part);
}

HWY_INLINE void store(VF v, float* p, int64_t n) {
  const DF d;
  if (is_whole(n)) {
    hn::StoreU(v, d, p);
    return;
  }
  HWY_ALIGN float part[hn::MaxLanes(DF())];
  hn::Store(v, d, part);
  memcpy(p, part, static_cast<size_t>(n) * sizeof(float));
}

HWY_INLINE float sum(VF v) {
  return hn::GetLane(hn::SumOfLanes(DF(), v));
}
HWY_INLINE float maximum(VF v) {
  return hn::GetLane(hn::MaxOfLanes(DF(), v));
}

// exp(x) = 2^n exp(r), |r| <= ln(2)/2; the series to r^7/7! leaves 6e-9. Below -87.7 the result is
// 0, above 88.3 it is infinite; a NaN stays one.
HWY_INLINE VF exponential(VF x) {
  const DF d;
  const DI di;
  x = hn::Min(hn::Set(d, 89.0f), hn::Max(hn::Set(d, -88.0f), x));  // in this order a NaN survives
  const auto n = hn::NearestInt(hn::Mul(x, hn::Set(d, 1.44269504088896341f)));
  const VF nf = hn::ConvertTo(d, n);
  VF r = hn::NegMulAdd(nf, hn::Set(d, 0.693145751953125f),
                       x);  // ln(2) in two parts, the first exact in products
  r = hn::NegMulAdd(nf, hn::Set(d, 1.42860682030941723e-6f), r);
  VF p = hn::Set(d, 1.0f / 5040);
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 720));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 120));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 6));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::Add(n, hn::Set(di, 127)));
  return hn::Mul(p, hn::BitCast(d, exponent));
}

// A division: on Zen 4 the approximate reciprocal with a step of Newton's method takes longer.
HWY_INLINE VF sigmoid(VF x) {
  const VF one = hn::Set(DF(), 1.0f);
  return hn::Div(one, hn::Add(one, exponential(hn::Neg(x))));
}

// Near 0 the odd series to x^9, which leaves 4e-9 of x at a quarter; elsewhere 1 - 2 / (e^2|x| + 1)
// with the sign of x. A NaN stays one.
HWY_INLINE VF hyperbolic_tangent(VF x) {
  const DF d;
  const VF one = hn::Set(d, 1.0f), size = hn::Abs(x), square = hn::Mul(x, x);
  VF p = hn::Set(d, 62.0f / 2835);
  p = hn::MulAdd(p, square, hn::Set(d, -17.0f / 315));
  p = hn::MulAdd(p, square, hn::Set(d, 2.0f / 15));
  p = hn::MulAdd(p, square, hn::Set(d, -1.0f / 3));
  const VF near = hn::MulAdd(hn::Mul(p, square), x, x);
  const VF e = exponential(hn::Add(size, size));
  const VF far = hn::Sub(one, hn::Div(hn::Set(d, 2.0f), hn::Add(e, one)));
  return hn::IfThenElse(hn::Lt(size, hn::Set(d, 0.25f)), near, hn::CopySign(far, x));
}

HWY_INLINE VF widen(hn::Vec<DH> v) {
  return hn::BitCast(DF(), hn::ShiftLeft<16>(hn::PromoteTo(DU(), v)));
}

// To nearest, ties to even (Highway 1.0.3's own conversion truncates); a NaN stays a NaN. The
// bfloat16 is the upper half of each lane.
HWY_INLINE hn::Vec<DU> rounded_bits(VF v) {
  const DU du;
  const auto bits = hn::BitCast(du, v);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fffu)));
  const auto quiet = hn::Or(bits, hn::Set(du, 0x400000u));
  return hn::IfThenElse(hn::RebindMask(du, hn::Eq(v, v)), rounded, quiet);  // Ne: false for a NaN
}
HWY_INLINE hn::Vec<DH> round_off(VF v) {
  return hn::DemoteTo(DH(), hn::BitCast(DI(), hn::ShiftRight<16>(rounded_bits(v))));
}

HWY_INLINE VF load(const BFloat16* p, int64_t n) {
  if (is_whole(n)) return widen(hn::LoadU(DH(), reinterpret_cast<const uint16_t*>(p)));
  HWY_ALIGN uint16_t part[hn::MaxLanes(DF())] = {};
  memcpy(part, p, static_cast<size_t>(n) * sizeof(uint16_t));
  return widen(hn::Load(DH(), part));
}

HWY_INLINE void store(VF v, BFloat16* p, int64_t n) {
  if (is_whole(n)) {
    hn::StoreU(round_off(v), DH(), reinterpret_cast<uint16_t*>(p));
    return;
  }
  HWY_ALIGN uint16_t part[hn::MaxLanes(DF())];
  hn::Store(round_off(v), DH(), part);
  memcpy(p, part, static_cast<size_t>(n) * sizeof(uint16_t));
}

// Two whole vectors, one behind the other: for BFloat16 cheaper than one at a time.
HWY_INLINE void store_two(VF a, VF b, float* p) {
  const DF d;
  hn::StoreU(a, d, p);
  hn::StoreU(b, d, p + lanes());
}
HWY_INLINE void store_two(VF a, VF b, BFloat16* p) {
#if HWY_TARGET == HWY_SCALAR
  store(a, p, lanes());
  store(b, p + lanes(), lanes());
#else
  const hn::Repartition<uint16_t, DF> halves;
  const auto low = hn::BitCast(halves, rounded_bits(a));
  const auto high = hn::BitCast(halves, rounded_bits(b));
  hn::StoreU(hn::ConcatOdd(halves, high, low), halves, reinterpret_cast<uint16_t*>(p));
#endif
}

HWY_INLINE void expand(const BFloat16* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; i += lanes()) store(load(x + i, n - i), y + i, n - i);
}

HWY_INLINE void round_off(const float* x, BFloat16* y, int64_t n) {
  const int64_t step = lanes();
  int64_t i = 0;
  for (; i + 2 * step <= n; i += 2 * step)
    store_two(load(x + i, step), load(x + i + step, step), y + i);
  for (; i < n; i += step) store(load(x + i, n - i), y + i, n - i);
}

// A row of F32 or BF16 elements that is read or written in blocks of floats of at most kBlock.
struct Row {
  void* data;
  bool bf16;

  Row(const Tensor& t, int64_t offset) : bf16(t.dtype == DType::kBF16) {
    data = static_cast<char*>(t.data) + offset * (bf16 ? 2 : 4);
  }
  // Floats [i, i+n): the row's own, or expanded into `buffer`.
  HWY_INLINE const float* read(int64_t i, int64_t n, float* buffer) const {
    if (!bf16) return static_cast<const float*>(data) + i;
    expand(static_cast<const BFloat16*>(data) + i, buffer, n);
    return buffer;
  }
  // Calls body with the row's address, as float* or BFloat16*.
  template <class Body>
  HWY_INLINE void typed(Body body) const {
    if (bf16) {
      body(static_cast<BFloat16*>(data));
    } else {
      body(static_cast<float*>(data));
    }
  }
  // Where to write floats [i, i+n); done() then brings them into the row.
  HWY_INLINE float* target(int64_t i, float* buffer) const {
    return bf16 ? buffer : static_cast<float*>(data) + i;
  }
  HWY_INLINE void done(int64_t i, int64_t n, const float* buffer) const {
    if (bf16) round_off(buffer, static_cast<BFloat16*>(data) + i, n);
  }
};

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
