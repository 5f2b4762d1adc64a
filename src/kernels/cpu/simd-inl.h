// Vector helpers of the Highway files. Included once per instruction set (foreach_target.h), hence
// the odd guard.
//
// All arithmetic is in f32. BF16 rows pass through a small buffer (Row below), so that no kernel is
// written per type.
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

// n floats (the rest 0), where n may be less than a vector.
HWY_INLINE VF load(const float* p, int64_t n) {
  const DF d;
  if (n >= lanes()) return hn::LoadU(d, p);
  HWY_ALIGN float part[hn::MaxLanes(DF())] = {};
  memcpy(part, p, static_cast<size_t>(n) * sizeof(float));
  return hn::Load(d, part);
}

HWY_INLINE void store(VF v, float* p, int64_t n) {
  const DF d;
  if (n >= lanes()) {
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

HWY_INLINE VF sigmoid(VF x) {
  const VF one = hn::Set(DF(), 1.0f);
  return hn::Div(one, hn::Add(one, exponential(hn::Neg(x))));
}

HWY_INLINE void expand(const BFloat16* x, float* y, int64_t n) {
  const DF d;
  int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    const auto wide =
        hn::PromoteTo(DU(), hn::LoadU(DH(), reinterpret_cast<const uint16_t*>(x + i)));
    hn::StoreU(hn::BitCast(d, hn::ShiftLeft<16>(wide)), d, y + i);
  }
  for (; i < n; ++i) y[i] = to_float(x[i]);
}

// To nearest, ties to even (Highway 1.0.3's own conversion truncates); a NaN stays a NaN.
HWY_INLINE void round_off(const float* x, BFloat16* y, int64_t n) {
  const DF d;
  const DU du;
  int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    const VF v = hn::LoadU(d, x + i);
    const auto bits = hn::BitCast(du, v);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
    auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fffu))));
    const auto quiet = hn::Or(hn::ShiftRight<16>(bits), hn::Set(du, 0x40u));
    rounded =
        hn::IfThenElse(hn::RebindMask(du, hn::Eq(v, v)), rounded, quiet);  // Ne is false for a NaN
    const auto narrow = hn::DemoteTo(DH(), hn::BitCast(DI(), rounded));
    hn::StoreU(narrow, DH(), reinterpret_cast<uint16_t*>(y + i));
  }
  for (; i < n; ++i) y[i] = to_bfloat16(x[i]);
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
