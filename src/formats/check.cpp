#include "formats/check.h"

#include <fmt/format.h>

#include "tensor/dtype.h"

namespace ilora {

std::string printable(std::string_view name) {
  constexpr size_t kLongest = 100;
  std::string out = "\"";
  for (const char c : name.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", byte);
    }
  }
  return out + (name.size() > kLongest ? "...\"" : "\"");
}

std::optional<int64_t> checked_bytes(DType dtype, std::span<const int64_t> shape) {
  constexpr int64_t kMost = int64_t{1}
                            << 62;  // and 2^58 elements, so that no type's bytes overflow
  int64_t count = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
    if (__builtin_mul_overflow(count, dimension, &count) || count > kMost / 16) return std::nullopt;
  }
  // A block does not reach into the next row.
  if ((shape.empty() ? 1 : shape.back()) % dtype_block(dtype) != 0) return std::nullopt;
  return dtype_bytes(dtype, count);
}

}  // namespace ilora
