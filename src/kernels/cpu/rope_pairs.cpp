// Rotary positions whose pairs lie side by side, of the fast table. Contract: kernels.h. A head is
// parted into its first and second elements, turned as in rows.cpp, and put together again.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/rope_pairs.cpp"  // NOLINT
#include <hwy/foreach_target.h>
// foreach_target.h first
#include <hwy/highway.h>

#include "base/parallel.h"
#include "kernels/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {

constexpr int64_t kPairs = kBlock / 2;  // that are turned at a time

HWY_INLINE void rotate_pairs(const Row& y, const Row& x, const float* cos, const float* sin,
                             float sign, int64_t half) {
  const DF d;
  HWY_ALIGN float staged[kBlock];
  HWY_ALIGN float part[2][kPairs];
  for (int64_t i = 0; i < half; i += kPairs) {
    const int64_t count = HWY_MIN(kPairs, half - i);
    const float* in = x.read(2 * i, 2 * count, staged);
    for (int64_t j = 0; j < count; ++j) {
      part[0][j] = in[2 * j];
      part[1][j] = in[2 * j + 1];
    }
    for (int64_t j = 0; j < count; j += lanes()) {
      const int64_t m = count - j;
      const VF c = load(cos + i + j, m), s = hn::Mul(load(sin + i + j, m), hn::Set(d, sign));
      const VF a = load(part[0] + j, m), b = load(part[1] + j, m);
      store(hn::NegMulAdd(b, s, hn::Mul(a, c)), part[0] + j, m);
      store(hn::MulAdd(a, s, hn::Mul(b, c)), part[1] + j, m);
    }
    float* out = y.target(2 * i, staged);
    for (int64_t j = 0; j < count; ++j) {
      out[2 * j] = part[0][j];
      out[2 * j + 1] = part[1][j];
    }
    y.done(2 * i, 2 * count, staged);
  }
}

void rope_pairs(Tensor y, Tensor x, Tensor cos, Tensor sin, const int32_t* positions,
                bool inverse) {
  const int64_t heads = x.shape[1], half = x.shape[2] / 2;
  parallel_for(
      x.shape[0], rows_per_chunk(heads * half * 2), [&](int64_t begin, int64_t end) HWY_ATTR {
        for (int64_t n = begin; n < end; ++n) {
          const int64_t p = positions[n];
          ILORA_CHECK(p >= 0 && p < cos.shape[0], "rope_pairs: position {} of {}", p, cos.shape[0]);
          const float* c = cos.ptr<float>() + p * cos.stride[0];
          const float* s = sin.ptr<float>() + p * sin.stride[0];
          for (int64_t h = 0; h < heads; ++h) {
            rotate_pairs(Row(y, n * y.stride[0] + h * y.stride[1]),
                         Row(x, n * x.stride[0] + h * x.stride[1]), c, s, inverse ? -1.0f : 1.0f,
                         half);
          }
        }
      });
}

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ilora::cpu {

HWY_EXPORT(rope_pairs);

namespace {

void rope_pairs(Tensor y, Tensor x, Tensor cos, Tensor sin, std::span<const int32_t> positions,
                bool inverse) {
  const auto rows = static_cast<int64_t>(positions.size());
  for (const Tensor& t : {x, y}) {
    ILORA_CHECK(t.rank == 3 && t.shape == x.shape && t.shape[0] == rows && t.shape[2] % 2 == 0 &&
                    t.stride[2] == 1,
                "rope_pairs: unexpected {}", t.describe());
  }
  for (const Tensor& t : {cos, sin}) {
    ILORA_CHECK(
        t.rank == 2 && t.shape[1] == x.shape[2] / 2 && (t.stride[1] == 1 || t.shape[1] == 1),
        "rope_pairs: unexpected {}", t.describe());
  }
  HWY_DYNAMIC_DISPATCH(rope_pairs)(y, x, cos, sin, positions.data(), inverse);
}

}  // namespace

void install_rope_pairs(Kernels& table) {
  table.rope_pairs = rope_pairs;
}

}  // namespace ilora::cpu
#endif  // HWY_ONCE
