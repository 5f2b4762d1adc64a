#include "tensor/quant.h"

#include "base/error.h"

namespace ilora {
namespace {

uint16_t read_u16(const std::byte* in) {
  uint16_t bits = 0;
  std::memcpy(&bits, in, sizeof bits);
  return bits;
}

constexpr int64_t kHalfBlock = kQuantBlock / 2;

}  // namespace

void expand_f16(float* out, const std::byte* in, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = half_to_float(read_u16(in + 2 * i));
}

void expand_bf16(float* out, const std::byte* in, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = to_float(BFloat16{read_u16(in + 2 * i)});
}

void expand_q8_0(float* out, const std::byte* in, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 2 + kQuantBlock, out += kQuantBlock) {
    const float d = read_half(in);
    const std::byte* q = in + 2;
    for (int64_t i = 0; i < kQuantBlock; ++i)
      out[i] = d * static_cast<float>(static_cast<int8_t>(q[i]));
  }
}

void expand_q4_0(float* out, const std::byte* in, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 2 + kHalfBlock, out += kQuantBlock) {
    const float d = read_half(in);
    const std::byte* q = in + 2;
    for (int64_t i = 0; i < kHalfBlock; ++i) {
      const int byte = static_cast<int>(q[i]);
      out[i] = d * static_cast<float>((byte & 15) - 8);
      out[i + kHalfBlock] = d * static_cast<float>((byte >> 4) - 8);
    }
  }
}

void expand_q4_1(float* out, const std::byte* in, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 4 + kHalfBlock, out += kQuantBlock) {
    const float d = read_half(in);
    const float m = read_half(in + 2);
    const std::byte* q = in + 4;
    for (int64_t i = 0; i < kHalfBlock; ++i) {
      const int byte = static_cast<int>(q[i]);
      out[i] = d * static_cast<float>(byte & 15) + m;
      out[i + kHalfBlock] = d * static_cast<float>(byte >> 4) + m;
    }
  }
}

bool is_expandable(DType type) {
  switch (type) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
    case DType::kQ8_0:
    case DType::kQ4_0:
    case DType::kQ4_1:
      return true;
    default:
      return false;
  }
}

void expand_elements(float* out, DType type, const std::byte* in, int64_t count) {
  switch (type) {
    case DType::kF32:
      std::memcpy(out, in, static_cast<size_t>(count) * sizeof(float));
      return;
    case DType::kF16:
      expand_f16(out, in, count);
      return;
    case DType::kBF16:
      expand_bf16(out, in, count);
      return;
    case DType::kQ8_0:
      expand_q8_0(out, in, count / kQuantBlock);
      return;
    case DType::kQ4_0:
      expand_q4_0(out, in, count / kQuantBlock);
      return;
    case DType::kQ4_1:
      expand_q4_1(out, in, count / kQuantBlock);
      return;
    default:
      break;
  }
  ILORA_CHECK(false, "expand_elements of {}", dtype_name(type));
}

void require_expandable(const Tensor& y, const Tensor& x, std::span<const int32_t> rows) {
  ILORA_CHECK(y.rank == 2 && x.rank == 2 && y.shape[1] == x.shape[1] && y.stride[1] == 1 &&
                  x.contiguous() && is_expandable(x.dtype),
              "expand of {} into {}", x.describe(), y.describe());
  ILORA_CHECK(
      rows.empty() ? y.shape[0] <= x.shape[0] : y.shape[0] == static_cast<int64_t>(rows.size()),
      "expand: {} rows of {} into {}", rows.size(), x.describe(), y.describe());
  for (const int32_t row : rows)
    ILORA_CHECK(row < x.shape[0], "expand: row {} of {}", row, x.describe());
}

}  // namespace ilora
