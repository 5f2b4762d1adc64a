#include "kernels/cpu/bf16_dot.h"

#include "kernels/cpu/cpu.h"

#if defined(__x86_64__)

#include <immintrin.h>

// The rest of the program is built for any x86-64 CPU; these functions alone use the instructions.
#define ILORA_BF16_DOT __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define ILORA_BF16_INLINE ILORA_BF16_DOT __attribute__((always_inline)) inline

namespace ilora::cpu {
namespace {

constexpr int kLanes = 16;
constexpr int kRows = 8, kVectors = 2;  // of a block of C: 16 sums hide the latency of 6

ILORA_BF16_INLINE __m512bh words(__m512 v) {
  return reinterpret_cast<__m512bh>(v);
}

template <bool kAdd, int kRowCount, int kVectorCount>
ILORA_BF16_INLINE void micro(float* c, int64_t ldc, Broadcast a, const float* b, int64_t ldb,
                             int64_t depth) {
  __m512 total[kRowCount][kVectorCount];
#pragma GCC unroll 8
  for (int i = 0; i < kRowCount; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVectorCount; ++j)
      total[i][j] = kAdd ? _mm512_loadu_ps(c + i * ldc + j * kLanes) : _mm512_setzero_ps();
  }
  for (int64_t l = 0; l < depth; ++l) {
    __m512bh row[kVectorCount];
#pragma GCC unroll 8
    for (int j = 0; j < kVectorCount; ++j)
      row[j] = words(_mm512_loadu_ps(b + l * ldb + j * kLanes));
#pragma GCC unroll 8
    for (int i = 0; i < kRowCount; ++i) {
      const __m512bh left = words(_mm512_set1_ps(a.data[i * a.row + l * a.column]));
#pragma GCC unroll 8
      for (int j = 0; j < kVectorCount; ++j)
        total[i][j] = _mm512_dpbf16_ps(total[i][j], left, row[j]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRowCount; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVectorCount; ++j) _mm512_storeu_ps(c + i * ldc + j * kLanes, total[i][j]);
  }
}

template <bool kAdd, int kRowCount>
ILORA_BF16_INLINE void micro_rows(float* c, int64_t ldc, int64_t columns, Broadcast a,
                                  const float* b, int64_t ldb, int64_t depth) {
  int64_t j = 0;
  for (; j + kVectors * kLanes <= columns; j += kVectors * kLanes)
    micro<kAdd, kRowCount, kVectors>(c + j, ldc, a, b + j, ldb, depth);
  if (j < columns) micro<kAdd, kRowCount, 1>(c + j, ldc, a, b + j, ldb, depth);
}

template <bool kAdd>
ILORA_BF16_DOT void multiply(float* c, int64_t ldc, int64_t rows, int64_t columns, Broadcast a,
                             const float* b, int64_t ldb, int64_t depth) {
  int64_t i = 0;
  for (; i + kRows <= rows; i += kRows, c += kRows * ldc, a.data += kRows * a.row)
    micro_rows<kAdd, kRows>(c, ldc, columns, a, b, ldb, depth);
  for (; i < rows; ++i, c += ldc, a.data += a.row)
    micro_rows<kAdd, 1>(c, ldc, columns, a, b, ldb, depth);
}

}  // namespace

bool bf16_dot_native() {
  static const bool native = [] {
    const CpuFeatures features = cpu_features();
    return features.bf16_native && __builtin_cpu_supports("avx512bf16") != 0;
  }();
  return native;
}

void multiply_words(bool add, float* c, int64_t ldc, int64_t rows, int64_t columns, Broadcast a,
                    const float* b, int64_t ldb, int64_t depth) {
  (add ? multiply<true> : multiply<false>)(c, ldc, rows, columns, a, b, ldb, depth);
}

ILORA_BF16_DOT void round_along(float* out, int64_t out_stride, const float* x, int64_t stride,
                                int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i) {
    const float* from = x + i * stride;
    float* to = out + i * out_stride;
    int64_t j = 0;
    for (; j + 2 * kLanes <= columns; j += 2 * kLanes) {
      const __m512bh v =
          _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + j + kLanes), _mm512_loadu_ps(from + j));
      _mm512_storeu_ps(to + j / 2, reinterpret_cast<__m512>(v));
    }
    if (j < columns) {
      const __m256bh v = _mm512_cvtneps_pbh(_mm512_loadu_ps(from + j));
      _mm256_storeu_ps(to + j / 2, reinterpret_cast<__m256>(v));
    }
  }
}

ILORA_BF16_DOT void round_across(float* out, int64_t out_stride, const float* x, int64_t stride,
                                 int64_t rows, int64_t columns) {
  // Takes the halves of a rounded pair of vectors in turns.
  alignas(64) static constexpr uint16_t kTurns[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                      21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                      11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i turns = _mm512_load_si512(kTurns);
  for (int64_t l = 0; 2 * l < rows; ++l) {
    const float* first = x + 2 * l * stride;
    const bool paired = 2 * l + 1 < rows;
    for (int64_t j = 0; j < columns; j += kLanes) {
      const __m512 second = paired ? _mm512_loadu_ps(first + stride + j) : _mm512_setzero_ps();
      const __m512bh v = _mm512_cvtne2ps_pbh(second, _mm512_loadu_ps(first + j));
      const __m512i w = _mm512_permutexvar_epi16(turns, reinterpret_cast<__m512i>(v));
      _mm512_storeu_si512(out + l * out_stride + j, w);
    }
  }
}

}  // namespace ilora::cpu

#else

namespace ilora::cpu {

bool bf16_dot_native() {
  return false;
}
void multiply_words(bool, float*, int64_t, int64_t, int64_t, Broadcast, const float*, int64_t,
                    int64_t) {
  ILORA_CHECK(false, "this CPU has no bf16 products");
}
void round_along(float*, int64_t, const float*, int64_t, int64_t, int64_t) {
  ILORA_CHECK(false, "this CPU has no bf16 products");
}
void round_across(float*, int64_t, const float*, int64_t, int64_t, int64_t) {
  ILORA_CHECK(false, "this CPU has no bf16 products");
}

}  // namespace ilora::cpu

#endif
