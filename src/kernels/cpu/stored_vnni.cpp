// Products of stored integers with rows of bytes by avx512_vnni, which adds four products of an
// unsigned and a signed byte into each 32-bit lane. Blocks: tensor/quant.h.
//
// A lane is an output: 16 stored rows are read side by side, four bytes of each make a vector, and
// four bytes of a row of x go to all lanes. So no sum crosses lanes, and unpacking is shared by all
// rows of x. Stored integers are unsigned here; what a type subtracts from them, kOffset, is
// subtracted as kOffset times the sum of x's integers, which is exact.
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/stored_panel.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "tensor/quant.h"
#include "tensor/quant_integers.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 of its own unmasked intrinsics
#endif

#define ILORA_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma,f16c")))
#define ILORA_VNNI_INLINE ILORA_VNNI __attribute__((always_inline)) inline

namespace ilora::cpu {
namespace {

using StoredRows = const uint8_t* const*;  // kPanel of them

// ---- reading 16 rows
// ----------------------------------------------------------------------------------------------

ILORA_VNNI_INLINE __m128i load_16(const uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
ILORA_VNNI_INLINE int load_4(const uint8_t* p) {
  int word = 0;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// words[j]: bytes 4j .. 4j+3 of the 16 at offset `at` of each row, a row per lane.
ILORA_VNNI_INLINE void load_words(__m512i* words, StoredRows rows, int64_t at) {
  __m512i part[4];  // rows i, i+4, i+8, i+12
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    part[i] = _mm512_castsi128_si512(load_16(rows[i] + at));
    part[i] = _mm512_inserti32x4(part[i], load_16(rows[i + 4] + at), 1);
    part[i] = _mm512_inserti32x4(part[i], load_16(rows[i + 8] + at), 2);
    part[i] = _mm512_inserti32x4(part[i], load_16(rows[i + 12] + at), 3);
  }
  const __m512i a = _mm512_unpacklo_epi32(part[0], part[1]);
  const __m512i b = _mm512_unpackhi_epi32(part[0], part[1]);
  const __m512i c = _mm512_unpacklo_epi32(part[2], part[3]);
  const __m512i d = _mm512_unpackhi_epi32(part[2], part[3]);
  words[0] = _mm512_unpacklo_epi64(a, c);
  words[1] = _mm512_unpackhi_epi64(a, c);
  words[2] = _mm512_unpacklo_epi64(b, d);
  words[3] = _mm512_unpackhi_epi64(b, d);
}

// Four bytes at offset `at` of each row.
ILORA_VNNI_INLINE __m512i load_word(StoredRows rows, int64_t at) {
  __m128i part[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    part[i] = _mm_setr_epi32(load_4(rows[4 * i] + at), load_4(rows[4 * i + 1] + at),
                             load_4(rows[4 * i + 2] + at), load_4(rows[4 * i + 3] + at));
  }
  __m512i all = _mm512_castsi128_si512(part[0]);
  all = _mm512_inserti32x4(all, part[1], 1);
  all = _mm512_inserti32x4(all, part[2], 2);
  return _mm512_inserti32x4(all, part[3], 3);
}

// Fetches the next panel, which as a rule lies behind this one, as far as this one has been read:
// 16 rows read side by side are no stream that the CPU sees by itself. Into the second cache where
// the panel is read once: two long panels fill the first. at, bytes: as of a row.
template <int kRows>
ILORA_VNNI_INLINE void fetch_next(StoredRows rows, int64_t row_bytes, int64_t at, int64_t bytes) {
  constexpr int64_t kLine = 64;
  constexpr int kNear = kRows < 4 ? 2 : 3;
  const uint8_t* next = rows[0] + kPanel * (row_bytes + at);
  for (int64_t i = 0; i < kPanel * bytes; i += kLine) __builtin_prefetch(next + i, 0, kNear);
}

// The half in the low, or high, 16 bits of each lane.
ILORA_VNNI_INLINE __m512 low_half(__m512i word) {
  return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(word));
}
ILORA_VNNI_INLINE __m512 high_half(__m512i word) {
  return low_half(_mm512_srli_epi32(word, 16));
}

ILORA_VNNI_INLINE __m512i low_nibbles(__m512i words) {
  return _mm512_and_si512(words, _mm512_set1_epi8(15));
}
ILORA_VNNI_INLINE __m512i high_nibbles(__m512i words) {
  return low_nibbles(_mm512_srli_epi16(words, 4));
}

// ---- sums
// ----------------------------------------------------------------------------------------------

// kRows rows of x, from `first` on, against a panel.
template <int kRows>
struct Sums {
  const ByteRows& x;
  int64_t first;
  __m512 total[kRows];

  ILORA_VNNI_INLINE Sums(const ByteRows& all, int64_t row) : x(all), first(row) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) total[i] = _mm512_setzero_ps();
  }

  ILORA_VNNI_INLINE static __m512i multiply_4(__m512i sum, const __m512i* w, const int8_t* q) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
      sum = _mm512_dpbusd_epi32(
          sum, w[j], _mm512_set1_epi32(load_4(reinterpret_cast<const uint8_t*>(q) + 4 * j)));
    return sum;
  }

  // Adds block `block`: w[j] holds elements 4j .. 4j+3 of each row.
  template <int kOffset, bool kMinimum>
  ILORA_VNNI_INLINE void add(int64_t block, const __m512i* w, __m512 scale, __m512 minimum) {
    const int64_t blocks = x.columns / kQuantBlock;
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const int8_t* q = x.q + (first + i) * x.columns + block * kQuantBlock;
      const int64_t at = (first + i) * blocks + block;
      __m512i start = _mm512_setzero_si512();
      if (kOffset != 0)
        start = _mm512_set1_epi32(-kOffset * (x.halves[2 * at] + x.halves[2 * at + 1]));
      __m512i dot = multiply_4(start, w, q);
      if (kRows < 4) {  // two chains hide the latency; integers add up to the same
        dot = _mm512_add_epi32(dot, multiply_4(_mm512_setzero_si512(), w + 4, q + kQuantBlock / 2));
      } else {
        dot = multiply_4(dot, w + 4, q + kQuantBlock / 2);
      }
      const __m512 factor = _mm512_mul_ps(scale, _mm512_set1_ps(x.scale[at]));
      total[i] = _mm512_fmadd_ps(factor, _mm512_cvtepi32_ps(dot), total[i]);
      if (kMinimum) total[i] = _mm512_fmadd_ps(minimum, _mm512_set1_ps(x.sum[at]), total[i]);
    }
  }

  // The same where each half of the block has a scale of its own.
  template <int kOffset>
  ILORA_VNNI_INLINE void add_halves(int64_t block, const __m512i* w, const __m512* scale) {
    const int64_t blocks = x.columns / kQuantBlock;
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const int8_t* q = x.q + (first + i) * x.columns + block * kQuantBlock;
      const int64_t at = (first + i) * blocks + block;
      const __m512 row_scale = _mm512_set1_ps(x.scale[at]);
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        const __m512i start = _mm512_set1_epi32(-kOffset * x.halves[2 * at + h]);
        const __m512i dot = multiply_4(start, w + 4 * h, q + 16 * h);
        total[i] =
            _mm512_fmadd_ps(_mm512_mul_ps(scale[h], row_scale), _mm512_cvtepi32_ps(dot), total[i]);
      }
    }
  }
};

// ---- the stored types
// ----------------------------------------------------------------------------------------------

// Fifth bits to their places: bits 4j .. 4j+3 of each lane as bit 4 of its four bytes.
ILORA_VNNI_INLINE __m512i fifth_bits(__m512i bits, int j) {
  const __m512i places =
      _mm512_setr_epi32(0x00000000, 0x00000010, 0x00001000, 0x00001010, 0x00100000, 0x00100010,
                        0x00101000, 0x00101010, 0x10000000, 0x10000010, 0x10001000, 0x10001010,
                        0x10100000, 0x10100010, 0x10101000, 0x10101010);
  return _mm512_permutexvar_epi32(_mm512_srli_epi32(bits, static_cast<unsigned>(4 * j)), places);
}

// Q4_0, Q4_1, Q5_0, Q5_1: d, m where kMinimum, fifth bits where kFive, nibbles.
template <int kOffset, bool kMinimum, bool kFive, int kRows>
ILORA_VNNI_INLINE void add_nibbles(Sums<kRows>& sums, StoredRows rows) {
  constexpr int64_t kHeader = kMinimum ? 4 : 2, kBits = kFive ? 4 : 0;
  constexpr int64_t kBytes = kHeader + kBits + kQuantBlock / 2;
  const int64_t blocks = sums.x.columns / kQuantBlock;
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t at = b * kBytes;
    fetch_next<kRows>(rows, blocks * kBytes, at, kBytes);
    __m512i words[4], w[8];
    load_words(words, rows, at + kHeader + kBits);
    const __m512i header = load_word(rows, at);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      w[j] = low_nibbles(words[j]);
      w[j + 4] = high_nibbles(words[j]);
    }
    if (kFive) {
      const __m512i bits = load_word(rows, at + kHeader);
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) w[j] = _mm512_or_si512(w[j], fifth_bits(bits, j));
    }
    sums.template add<kOffset, kMinimum>(b, w, low_half(header),
                                         kMinimum ? high_half(header) : _mm512_setzero_ps());
  }
}

template <int kRows>
ILORA_VNNI_INLINE void add_q8_0(Sums<kRows>& sums, StoredRows rows) {
  constexpr int64_t kBytes = 2 + kQuantBlock;
  const __m512i top_bits = _mm512_set1_epi8(static_cast<char>(0x80));  // q + 128, unsigned
  const int64_t blocks = sums.x.columns / kQuantBlock;
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t at = b * kBytes;
    fetch_next<kRows>(rows, blocks * kBytes, at, kBytes);
    __m512i w[8];
    load_words(w, rows, at + 2);
    load_words(w + 4, rows, at + 2 + kQuantBlock / 2);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) w[j] = _mm512_xor_si512(w[j], top_bits);
    sums.template add<128, false>(b, w, low_half(load_word(rows, at)), _mm512_setzero_ps());
  }
}

// Scales and minima of the eight groups of a Q4_K or Q5_K block, a byte each: groups 0..3, 4..7.
struct GroupBytes {
  __m512i scale[2], minimum[2];
};
ILORA_VNNI_INLINE GroupBytes group_bytes(const __m512i* packed) {
  const __m512i six = _mm512_set1_epi8(63), four = _mm512_set1_epi8(15), two = _mm512_set1_epi8(3);
  const auto top = [&](__m512i x) ILORA_VNNI {
    return _mm512_slli_epi16(_mm512_and_si512(_mm512_srli_epi16(x, 6), two), 4);
  };
  GroupBytes g;
  g.scale[0] = _mm512_and_si512(packed[0], six);
  g.minimum[0] = _mm512_and_si512(packed[1], six);
  g.scale[1] = _mm512_or_si512(_mm512_and_si512(packed[2], four), top(packed[0]));
  g.minimum[1] =
      _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(packed[2], 4), four), top(packed[1]));
  return g;
}
// Byte i of each lane, as a float.
ILORA_VNNI_INLINE __m512 byte_of(__m512i bytes, int i) {
  const __m512i one = _mm512_srli_epi32(bytes, static_cast<unsigned>(8 * i));
  return _mm512_cvtepi32_ps(_mm512_and_si512(one, _mm512_set1_epi32(255)));
}

template <bool kFive, int kRows>
ILORA_VNNI_INLINE void add_q45_k(Sums<kRows>& sums, StoredRows rows) {
  constexpr int64_t kHead = 16, kBits = kFive ? 32 : 0, kBytes = kHead + kBits + kSuperBlock / 2;
  const __m512i one = _mm512_set1_epi8(1);
  const int64_t blocks = sums.x.columns / kSuperBlock;
  for (int64_t s = 0; s < blocks; ++s) {
    const int64_t at = s * kBytes;
    __m512i head[4], fifths[8];
    load_words(head, rows, at);
    if (kFive) {
      load_words(fifths, rows, at + kHead);
      load_words(fifths + 4, rows, at + kHead + 16);
    }
    const __m512 d = low_half(head[0]), m = high_half(head[0]);
    const GroupBytes bytes = group_bytes(head + 1);
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; ++pair) {
      __m512i words[8], w[8];
      const int64_t nibbles = at + kHead + kBits + pair * kQuantBlock;
      fetch_next<kRows>(rows, blocks * kBytes, at + pair * (kBytes / 4), kBytes / 4);
      load_words(words, rows, nibbles);
      load_words(words + 4, rows, nibbles + 16);
#pragma GCC unroll 2
      for (int high = 0; high < 2; ++high) {
        const int g = 2 * pair + high;
#pragma GCC unroll 8
        for (int j = 0; j < 8; ++j) {
          w[j] = high != 0 ? high_nibbles(words[j]) : low_nibbles(words[j]);
          if (kFive) {
            const __m512i bit =
                _mm512_and_si512(_mm512_srli_epi16(fifths[j], static_cast<unsigned>(g)), one);
            w[j] = _mm512_or_si512(w[j], _mm512_slli_epi16(bit, 4));
          }
        }
        const __m512 scale = _mm512_mul_ps(d, byte_of(bytes.scale[g / 4], g % 4));
        const __m512 minimum = _mm512_mul_ps(m, byte_of(bytes.minimum[g / 4], g % 4));
        const __m512 below = _mm512_sub_ps(_mm512_setzero_ps(), minimum);
        sums.template add<0, true>(8 * s + g, w, scale, below);
      }
    }
  }
}

template <int kRows>
ILORA_VNNI_INLINE void add_q6_k(Sums<kRows>& sums, StoredRows rows) {
  constexpr int64_t kTops = 128, kScales = 192, kScale = 208, kBytes = 210;
  const int64_t blocks = sums.x.columns / kSuperBlock;
  for (int64_t s = 0; s < blocks; ++s) {
    const int64_t at = s * kBytes;
    // d is the last of the block: read it with what stands before it.
    const __m512 d = high_half(load_word(rows, at + kScale - 2));
    __m512i scales[4];
    load_words(scales, rows, at + kScales);
    for (int part = 0; part < 2; ++part) {
      __m512i tops[8];
      load_words(tops, rows, at + kTops + 32 * part);
      load_words(tops + 4, rows, at + kTops + 32 * part + 16);
#pragma GCC unroll 2
      for (int odd = 0; odd < 2; ++odd) {
        __m512i words[8];
        const int64_t quarter_bytes = kBytes / 4 + 1;
        fetch_next<kRows>(rows, blocks * kBytes, at + (2 * part + odd) * (kBytes / 4),
                          quarter_bytes);
        load_words(words, rows, at + 64 * part + 32 * odd);
        load_words(words + 4, rows, at + 64 * part + 32 * odd + 16);
#pragma GCC unroll 2
        for (int high = 0; high < 2; ++high) {
          const int quarter = odd + 2 * high;
          __m512i w[8];
#pragma GCC unroll 8
          for (int j = 0; j < 8; ++j) {
            const __m512i two =
                _mm512_and_si512(_mm512_srli_epi16(tops[j], static_cast<unsigned>(2 * quarter)),
                                 _mm512_set1_epi8(3));
            w[j] = _mm512_or_si512(high != 0 ? high_nibbles(words[j]) : low_nibbles(words[j]),
                                   _mm512_slli_epi16(two, 4));
          }
          __m512 scale[2];
#pragma GCC unroll 2
          for (int h = 0; h < 2; ++h) {  // signed byte 2 * quarter + h of this part's eight
            const int byte = 2 * quarter + h;
            const __m512i up = _mm512_slli_epi32(scales[2 * part + byte / 4],
                                                 static_cast<unsigned>(24 - 8 * (byte % 4)));
            scale[h] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_srai_epi32(up, 24)));
          }
          sums.template add_halves<32>(8 * s + 4 * part + quarter, w, scale);
        }
      }
    }
  }
}

// Types without code of their own above: each row's block is unpacked by itself, then read side by
// side.
template <DType kType, int kRows>
ILORA_VNNI_INLINE void add_unpacked(Sums<kRows>& sums, StoredRows rows) {
  constexpr int kMiddle = 128;  // q + 128, unsigned
  alignas(64) uint8_t q[kPanel][kQuantBlock];
  alignas(64) float scales[2][kPanel], minima[2][kPanel];
  const uint8_t* lines[kPanel];
  for (int i = 0; i < kPanel; ++i) lines[i] = q[i];
  const ByteRows& x = sums.x;
  const int64_t blocks = x.columns / kQuantBlock;
  for (int64_t b = 0; b < blocks; ++b) {
    for (int i = 0; i < kPanel; ++i) {
      IntegerBlock block;
      read_integers(block, kType, reinterpret_cast<const std::byte*>(rows[i]), b);
      for (int j = 0; j < kQuantBlock; ++j) q[i][j] = static_cast<uint8_t>(block.q[j] + kMiddle);
      for (int h = 0; h < 2; ++h) {
        scales[h][i] = block.scale[h];
        minima[h][i] = block.minimum[h];
      }
    }
    __m512i w[8];
    load_words(w, lines, 0);
    load_words(w + 4, lines, kQuantBlock / 2);
    const __m512 scale[2] = {_mm512_load_ps(scales[0]), _mm512_load_ps(scales[1])};
    sums.template add_halves<kMiddle>(b, w, scale);
    if (kType != DType::kQ2_K) continue;  // the only one of these with minima
    for (int i = 0; i < kRows; ++i) {
      const int64_t at = (sums.first + i) * blocks + b;
      for (int h = 0; h < 2; ++h) {
        const float sum = x.scale[at] * static_cast<float>(x.halves[2 * at + h]);
        sums.total[i] =
            _mm512_fmadd_ps(_mm512_load_ps(minima[h]), _mm512_set1_ps(sum), sums.total[i]);
      }
    }
  }
}

// ---- panels
// ----------------------------------------------------------------------------------------------

template <DType kType, int kRows>
ILORA_VNNI void multiply_some(float* out, StoredRows rows, const ByteRows& x, int64_t first) {
  Sums<kRows> sums(x, first);
  if constexpr (kType == DType::kQ4_0) add_nibbles<8, false, false>(sums, rows);
  if constexpr (kType == DType::kQ4_1) add_nibbles<0, true, false>(sums, rows);
  if constexpr (kType == DType::kQ5_0) add_nibbles<16, false, true>(sums, rows);
  if constexpr (kType == DType::kQ5_1) add_nibbles<0, true, true>(sums, rows);
  if constexpr (kType == DType::kQ8_0) add_q8_0(sums, rows);
  if constexpr (kType == DType::kQ4_K) add_q45_k<false>(sums, rows);
  if constexpr (kType == DType::kQ5_K) add_q45_k<true>(sums, rows);
  if constexpr (kType == DType::kQ6_K) add_q6_k(sums, rows);
  if constexpr (kType > DType::kQ6_K) add_unpacked<kType>(sums, rows);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) _mm512_storeu_ps(out + (first + i) * kPanel, sums.total[i]);
}

// As many rows at a time as registers hold; what a row gives does not depend on how they are cut.
template <DType kType>
void multiply_all(float* out, StoredRows rows, const ByteRows& x) {
  int64_t first = 0;
  for (; x.rows - first >= 16; first += 16) multiply_some<kType, 16>(out, rows, x, first);
  for (; x.rows - first >= 8; first += 8) multiply_some<kType, 8>(out, rows, x, first);
  for (; x.rows - first >= 4; first += 4) multiply_some<kType, 4>(out, rows, x, first);
  for (; x.rows - first >= 2; first += 2) multiply_some<kType, 2>(out, rows, x, first);
  for (; x.rows - first >= 1; ++first) multiply_some<kType, 1>(out, rows, x, first);
}

void multiply_panel(float* out, DType type, StoredRows rows, const ByteRows& x) {
  switch (type) {
    case DType::kQ4_0:
      return multiply_all<DType::kQ4_0>(out, rows, x);
    case DType::kQ4_1:
      return multiply_all<DType::kQ4_1>(out, rows, x);
    case DType::kQ5_0:
      return multiply_all<DType::kQ5_0>(out, rows, x);
    case DType::kQ5_1:
      return multiply_all<DType::kQ5_1>(out, rows, x);
    case DType::kQ8_0:
      return multiply_all<DType::kQ8_0>(out, rows, x);
    case DType::kQ4_K:
      return multiply_all<DType::kQ4_K>(out, rows, x);
    case DType::kQ5_K:
      return multiply_all<DType::kQ5_K>(out, rows, x);
    case DType::kQ6_K:
      return multiply_all<DType::kQ6_K>(out, rows, x);
    case DType::kQ2_K:
      return multiply_all<DType::kQ2_K>(out, rows, x);
    case DType::kQ3_K:
      return multiply_all<DType::kQ3_K>(out, rows, x);
    case DType::kIQ4_NL:
      return multiply_all<DType::kIQ4_NL>(out, rows, x);
    case DType::kIQ4_XS:
      return multiply_all<DType::kIQ4_XS>(out, rows, x);
    case DType::kTQ1_0:
      return multiply_all<DType::kTQ1_0>(out, rows, x);
    case DType::kTQ2_0:
      return multiply_all<DType::kTQ2_0>(out, rows, x);
    default:
      ILORA_CHECK(false, "no integers in {}", dtype_name(type));
  }
}

}  // namespace

PanelProduct vnni_panel() {
  static const bool native = cpu_features().byte_products;
  return native ? multiply_panel : nullptr;
}

}  // namespace ilora::cpu

#else

namespace ilora::cpu {

PanelProduct vnni_panel() {
  return nullptr;
}

}  // namespace ilora::cpu

#endif
