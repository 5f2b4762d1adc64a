// Products of bytes by avx512_vnni, which adds four products of an unsigned and a signed byte into
// each 32-bit lane. A lane is an output, so that no sum crosses lanes.
#include "kernels/cpu/byte_tile.h"
#include "kernels/cpu/cpu.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>
#include <cstring>

#include "kernels/byte_block.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 of its own unmasked intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#define ILORA_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma")))
#define ILORA_VNNI_INLINE ILORA_VNNI __attribute__((always_inline)) inline

namespace ilora::cpu {
namespace {

constexpr int kVectors = kByteWidth / 16;

// sum plus the products of the bytes of x and w. In assembly, because GCC 12 moves every sum of the
// intrinsic through memory: half the rate.
ILORA_VNNI_INLINE __m512i add_products(__m512i sum, __m512i x, __m512i w) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
  return sum;
}

ILORA_VNNI_INLINE __m512i four_bytes(const uint8_t* p) {
  int word = 0;
  std::memcpy(&word, p, sizeof word);
  return _mm512_set1_epi32(word);
}

template <int kRows>
ILORA_VNNI void multiply(float* out, UnsignedRows x, const BytePanel* panels) {
  const int64_t stride = x.blocks * kByteDepth;
#pragma GCC unroll 24
  for (int i = 0; i < kRows * kVectors; ++i) _mm512_storeu_ps(out + 16 * i, _mm512_setzero_ps());
  for (int64_t b = 0; b < x.blocks; ++b) {
    const BytePanel& panel = panels[b];
    const uint8_t* xq = x.q + b * kByteDepth;
    __m512i sum[kRows][kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {  // what the 128 in each byte of x will add
      const __m512i q = _mm512_load_si512(panel.sum.data() + 16 * v);
      const __m512i below = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(q, 7));
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) sum[r][v] = below;
    }
    const auto* q = reinterpret_cast<const int8_t*>(panel.q.data());
    for (int64_t i = 0; i < kByteDepth / 4; ++i) {
      __m512i w[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) w[v] = _mm512_load_si512(q + 4 * kByteWidth * i + 64 * v);
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        const __m512i bytes = four_bytes(xq + r * stride + 4 * i);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[r][v] = add_products(sum[r][v], bytes, w[v]);
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const __m512 scale = _mm512_load_ps(panel.scale.data() + 16 * v);
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        float* at = out + r * kByteWidth + 16 * v;
        const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(x.scale[r * x.blocks + b]));
        _mm512_storeu_ps(at,
                         _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[r][v]), both, _mm512_loadu_ps(at)));
      }
    }
  }
}

// What a row gives does not depend on those beside it.
void multiply_tile(float* out, const UnsignedRows& x, const BytePanel* panels, int64_t rows) {
  static_assert(kTileRows == 6);
  switch (rows) {
    case 6:
      return multiply<6>(out, x, panels);
    case 5:
      return multiply<5>(out, x, panels);
    case 4:
      return multiply<4>(out, x, panels);
    case 3:
      return multiply<3>(out, x, panels);
    case 2:
      return multiply<2>(out, x, panels);
    default:
      return multiply<1>(out, x, panels);
  }
}

ILORA_VNNI_INLINE __m512 load_16(const float* x) {
  return _mm512_loadu_ps(x);
}
ILORA_VNNI_INLINE __m512 load_16(const BFloat16* x) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

template <class T>
ILORA_VNNI float round_block(uint8_t* q, const void* from) {
  constexpr int kParts = kByteDepth / 16;
  const T* x = static_cast<const T*>(from);
  __m512 part[kParts];
  __m512i top = _mm512_setzero_si512();
#pragma GCC unroll 4
  for (int i = 0; i < kParts; ++i) {
    part[i] = load_16(x + 16 * i);
    const __m512i bits = _mm512_castps_si512(part[i]);
    top = _mm512_max_epi32(top, _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff)));
  }
  const float largest = std::bit_cast<float>(_mm512_reduce_max_epi32(top));
  const float scale = largest < kSmallestBlock ? 0.0f : largest / 127.0f;
  const bool usable = scale != 0.0f && scale - scale == 0.0f;
  const __m512 inverse = _mm512_set1_ps(usable ? 1.0f / scale : 0.0f);
  const __mmask16 kept = usable ? 0xffff : 0;
#pragma GCC unroll 4
  for (int i = 0; i < kParts; ++i) {
    const __m512i n = _mm512_maskz_cvtps_epi32(kept, _mm512_mul_ps(part[i], inverse));
    const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_add_epi32(n, _mm512_set1_epi32(128)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(q + 16 * i), bytes);
  }
  return scale;
}

}  // namespace

VnniCode vnni_code() {
  static const bool native = cpu_features().byte_products;
  return native ? VnniCode{multiply_tile, round_block<float>, round_block<BFloat16>} : VnniCode{};
}

}  // namespace ilora::cpu

#else

namespace ilora::cpu {

VnniCode vnni_code() {
  return {};
}

}  // namespace ilora::cpu

#endif
