#include "tensor/finite.h"

#include <cstring>

namespace ilora {
namespace {

// Where the halves of a block are, in bytes from its begin.
std::span<const int64_t> places_of_halves(DType type) {
  static constexpr int64_t kFirst[] = {0, 2}, kQ6[] = {208}, kQ2[] = {80, 82}, kQ3[] = {108},
                           kTQ1[] = {52}, kTQ2[] = {64};
  switch (type) {
    case DType::kQ8_0:
    case DType::kQ4_0:
    case DType::kQ5_0:
    case DType::kIQ4_NL:
    case DType::kIQ4_XS:
      return {kFirst, 1};
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      return kFirst;
    case DType::kQ6_K:
      return kQ6;
    case DType::kQ2_K:
      return kQ2;
    case DType::kQ3_K:
      return kQ3;
    case DType::kTQ1_0:
      return kTQ1;
    case DType::kTQ2_0:
      return kTQ2;
    default:
      return {};
  }
}

}  // namespace

bool scales_are_finite(DType type, const std::byte* in, int64_t count) {
  constexpr uint16_t kExponent = 0x7c00;  // all of its bits: an infinity or a NaN
  const int64_t block = dtype_bytes(type, dtype_block(type));
  const int64_t blocks = count / dtype_block(type);
  const std::span<const int64_t> places = places_of_halves(type);
  for (const int64_t place : places) {
    bool finite = true;
    for (int64_t b = 0; b < blocks; ++b) {
      uint16_t bits = 0;
      std::memcpy(&bits, in + b * block + place, sizeof bits);
      finite &= (bits & kExponent) != kExponent;
    }
    if (!finite) return false;
  }
  return !places.empty();
}

}  // namespace ilora
