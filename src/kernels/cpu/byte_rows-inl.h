// What products of bytes share: the scale of a block, as to_byte_run() takes it, and the end of a row of
// sums. Included once per target, after simd-inl.h.
#if defined(ILORA_KERNELS_CPU_BYTE_ROWS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ILORA_KERNELS_CPU_BYTE_ROWS_INL_H
#undef ILORA_KERNELS_CPU_BYTE_ROWS_INL_H
#else
#define ILORA_KERNELS_CPU_BYTE_ROWS_INL_H
#endif

#include <bit>

#include "kernels/byte_block.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {

struct BlockScale {
  float scale, inverse;  // inverse 0: the integers are zeros, or do not matter
  bool finite;
};

// Of x (count) floats, a multiple of the lanes.
HWY_INLINE BlockScale scale_of_block(const float* x, int64_t count) {
  const DI di;
  auto top = hn::Zero(di);
  for (int64_t i = 0; i < count; i += lanes())
    top = hn::Max(top, hn::And(hn::BitCast(di, hn::LoadU(DF(), x + i)), hn::Set(di, 0x7fffffff)));
  const float largest = std::bit_cast<float>(hn::GetLane(hn::MaxOfLanes(di, top)));
  const bool zero = largest < kSmallestBlock;
  const float scale = zero ? 0.0f : largest / 127.0f;
  const bool finite = scale - scale == 0.0f;
  return {scale, zero || !finite ? 0.0f : 1.0f / scale, finite};
}

// Columns [column, column + count) of a row of c = alpha * sums + beta * c.
HWY_INLINE void finish_row(const Tensor& c, int64_t row, int64_t column, int64_t count,
                           const float* sums, float alpha, float beta) {
  const DF d;
  Row(c, row * c.stride[0] + column).typed([&](auto* out) HWY_ATTR {
    for (int64_t i = 0; i < count; i += lanes()) {
      const int64_t n = count - i;
      VF v = hn::Mul(hn::Set(d, alpha), hn::LoadU(d, sums + i));
      if (beta != 0) v = hn::Add(v, load(out + i, n));
      store(v, out + i, n);
    }
  });
}

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
