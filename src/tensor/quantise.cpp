#include "tensor/quantise.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/listed.h"
#include "tensor/quant.h"
#include "tensor/quantise_k.h"

namespace ilora {
namespace {

constexpr int64_t kHalfBlock = kQuantBlock / 2;

void write_half(std::byte* out, float x) {
  const uint16_t bits = to_float16(x).bits;
  std::memcpy(out, &bits, sizeof bits);
}

float inverse(float d) {
  return d == 0 ? 0.0f : 1.0f / d;
}

// Nibbles of 32 integers: element i low, element i + 16 high.
void write_nibbles(std::byte* out, const int* q) {
  for (int64_t i = 0; i < kHalfBlock; ++i)
    out[i] = static_cast<std::byte>((q[i] & 15) | (q[i + kHalfBlock] & 15) << 4);
}

void write_fifths(std::byte* out, const int* q) {
  uint32_t fifths = 0;
  for (int64_t i = 0; i < kQuantBlock; ++i) fifths |= static_cast<uint32_t>(q[i] >> 4 & 1) << i;
  std::memcpy(out, &fifths, sizeof fifths);
}

// One block of kBits bits around zero: d, fifth bits where there are some, nibbles.
template <int kBits>
void block_around_zero(std::byte* out, const float* x) {
  constexpr int kHalf = 1 << (kBits - 1);
  float largest = 0;  // by size, with its sign
  for (int64_t i = 0; i < kQuantBlock; ++i) {
    if (std::abs(x[i]) > std::abs(largest)) largest = x[i];
  }
  const float d = largest / static_cast<float>(-kHalf), id = inverse(d);
  int q[kQuantBlock];
  for (int64_t i = 0; i < kQuantBlock; ++i) {
    const float at = x[i] * id;
    q[i] = std::min(2 * kHalf - 1, static_cast<int>(at + (static_cast<float>(kHalf) + 0.5f)));
  }
  write_half(out, d);
  if constexpr (kBits == 5) write_fifths(out + 2, q);
  write_nibbles(out + (kBits == 5 ? 6 : 2), q);
}

// One block of kBits bits from its minimum on: d, m, fifth bits where there are some, nibbles.
template <int kBits>
void block_from_minimum(std::byte* out, const float* x) {
  constexpr int kMost = (1 << kBits) - 1;
  const auto [low, high] = std::minmax_element(x, x + kQuantBlock);
  const float m = *low, d = (*high - m) / static_cast<float>(kMost), id = inverse(d);
  int q[kQuantBlock];
  for (int64_t i = 0; i < kQuantBlock; ++i)
    q[i] = std::min(kMost, static_cast<int>((x[i] - m) * id + 0.5f));
  write_half(out, d);
  write_half(out + 2, m);
  if constexpr (kBits == 5) write_fifths(out + 4, q);
  write_nibbles(out + (kBits == 5 ? 8 : 4), q);
}

void block_q8_0(std::byte* out, const float* x) {
  float largest = 0;
  for (int64_t i = 0; i < kQuantBlock; ++i) largest = std::max(largest, std::abs(x[i]));
  const float d = largest / 127.0f, id = inverse(d);
  write_half(out, d);
  for (int64_t i = 0; i < kQuantBlock; ++i)
    out[2 + i] = static_cast<std::byte>(static_cast<int8_t>(std::round(x[i] * id)));
}

void element_f32(std::byte* out, const float* x) {
  std::memcpy(out, x, sizeof *x);
}
void element_f16(std::byte* out, const float* x) {
  write_half(out, *x);
}
void element_bf16(std::byte* out, const float* x) {
  const uint16_t bits = to_bfloat16(*x).bits;
  std::memcpy(out, &bits, sizeof bits);
}

struct Quantiser {
  DType type;
  void (*block)(std::byte* out, const float* x);  // one block, or element
};
constexpr Quantiser kQuantisers[] = {{DType::kF32, element_f32},
                                     {DType::kF16, element_f16},
                                     {DType::kBF16, element_bf16},
                                     {DType::kQ8_0, block_q8_0},
                                     {DType::kQ4_0, block_around_zero<4>},
                                     {DType::kQ4_1, block_from_minimum<4>},
                                     {DType::kQ5_0, block_around_zero<5>},
                                     {DType::kQ5_1, block_from_minimum<5>},
                                     {DType::kQ4_K, quantise_super_block<DType::kQ4_K>},
                                     {DType::kQ5_K, quantise_super_block<DType::kQ5_K>},
                                     {DType::kQ6_K, quantise_super_block<DType::kQ6_K>}};

const Quantiser* quantiser_of(DType type) {
  const auto* found = std::ranges::find(kQuantisers, type, &Quantiser::type);
  return found == std::end(kQuantisers) ? nullptr : found;
}

}  // namespace

bool is_quantisable(DType type) {
  return quantiser_of(type) != nullptr;
}

std::string quantisable_types() {
  return listed(kQuantisers, [](const Quantiser& q) { return dtype_name(q.type); });
}

void quantise_elements(std::byte* out, DType type, const float* in, int64_t count) {
  const Quantiser* quantiser = quantiser_of(type);
  ILORA_CHECK(quantiser != nullptr, "quantise_elements to {}", dtype_name(type));
  const int64_t block = dtype_block(type), bytes = dtype_bytes(type, block);
  ILORA_CHECK(count % block == 0, "{} elements of {}", count, dtype_name(type));
  for (int64_t i = 0; i < count; i += block, out += bytes) quantiser->block(out, in + i);
}

}  // namespace ilora
