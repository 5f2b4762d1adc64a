// Expansion of stored weights, matrix by matrix, on the way to a product. Contract: kernels.h; the
// blocks: tensor/quant.h. Every product and sum is rounded to float32 as there, so that the bits
// are those of expanding with the plain code when a model is loaded.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/expand.cpp"  // NOLINT
#include <hwy/foreach_target.h>
// foreach_target.h first
#include <hwy/highway.h>

#include "base/parallel.h"
#include "kernels/cpu/simd-inl.h"
#include "tensor/quant.h"

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {

constexpr int64_t kHalfBlock = kQuantBlock / 2;

// d * (q - offset) + m; without kMinimum the sum is left out.
template <bool kMinimum, class V>
HWY_INLINE VF dequantise(V q, VF d, VF m) {
  const VF product = hn::Mul(d, hn::ConvertTo(DF(), q));
  return kMinimum ? hn::Add(product, m) : product;
}

// Blocks of two nibbles a byte: low ones are elements 0..15, high ones 16..31.
template <bool kMinimum>
HWY_INLINE void expand_q4(float* out, const uint8_t* in, int64_t blocks) {
  const DF d;
  const DI di;
  const hn::Rebind<uint8_t, DF> bytes;
  constexpr int64_t kHeader = kMinimum ? 4 : 2;
  const int32_t middle = kMinimum ? 0 : 8;
  const int64_t step = lanes();
  for (int64_t b = 0; b < blocks; ++b, in += kHeader + kHalfBlock, out += kQuantBlock) {
    const VF scale = hn::Set(d, read_half(in));
    const VF minimum = kMinimum ? hn::Set(d, read_half(in + 2)) : hn::Zero(d);
    for (int64_t i = 0; i < kHalfBlock; i += step) {
      const auto pair = hn::PromoteTo(di, hn::LoadU(bytes, in + kHeader + i));
      const auto low = hn::Sub(hn::And(pair, hn::Set(di, 15)), hn::Set(di, middle));
      const auto high = hn::Sub(hn::ShiftRight<4>(pair), hn::Set(di, middle));
      hn::StoreU(dequantise<kMinimum>(low, scale, minimum), d, out + i);
      hn::StoreU(dequantise<kMinimum>(high, scale, minimum), d, out + kHalfBlock + i);
    }
  }
}

HWY_INLINE void expand_q8(float* out, const uint8_t* in, int64_t blocks) {
  const DF d;
  const hn::Rebind<int8_t, DF> bytes;
  const int64_t step = lanes();
  for (int64_t b = 0; b < blocks; ++b, in += 2 + kQuantBlock, out += kQuantBlock) {
    const VF scale = hn::Set(d, read_half(in));
    for (int64_t i = 0; i < kQuantBlock; i += step) {
      const auto q =
          hn::PromoteTo(DI(), hn::LoadU(bytes, reinterpret_cast<const int8_t*>(in) + 2 + i));
      hn::StoreU(dequantise<false>(q, scale, scale), d, out + i);
    }
  }
}

HWY_INLINE void expand_elements(float* out, DType type, const uint8_t* in, int64_t count) {
  const auto* bytes = reinterpret_cast<const std::byte*>(in);
  switch (type) {
    case DType::kQ4_0:
      expand_q4<false>(out, in, count / kQuantBlock);
      return;
    case DType::kQ4_1:
      expand_q4<true>(out, in, count / kQuantBlock);
      return;
    case DType::kQ8_0:
      expand_q8(out, in, count / kQuantBlock);
      return;
    default:
      ilora::expand_elements(out, type, bytes, count);
  }
}

void expand_stored(Tensor y, Tensor x, const int32_t* rows) {
  const int64_t columns = y.shape[1];
  const auto* stored = static_cast<const uint8_t*>(x.data);
  parallel_for(y.shape[0], rows_per_chunk(columns), [&](int64_t begin, int64_t end) HWY_ATTR {
    HWY_ALIGN float buffer[kBlock];
    for (int64_t r = begin; r < end; ++r) {
      const int64_t source = rows == nullptr ? r : rows[r];
      const Row out(y, r * y.stride[0]);
      for (int64_t i = 0; i < columns; i += kBlock) {
        const int64_t count = HWY_MIN(kBlock, columns - i);
        float* target = out.target(i, buffer);
        if (source < 0) {
          for (int64_t j = 0; j < count; ++j) target[j] = 0.0f;
        } else {
          expand_elements(target, x.dtype, stored + dtype_bytes(x.dtype, source * columns + i),
                          count);
        }
        out.done(i, count, buffer);
      }
    }
  });
}

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ilora::cpu {

HWY_EXPORT(expand_stored);

namespace {

void expand(Tensor y, Tensor x, std::span<const int32_t> rows) {
  require_expandable(y, x, rows);
  HWY_DYNAMIC_DISPATCH(expand_stored)(y, x, rows.empty() ? nullptr : rows.data());
}

}  // namespace

void install_expand(Kernels& table) {
  table.expand = expand;
}

}  // namespace ilora::cpu
#endif  // HWY_ONCE
