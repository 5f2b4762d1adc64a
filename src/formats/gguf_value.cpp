#include "formats/gguf_value.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>

namespace ilora {

uint64_t gguf_type_bytes(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    case GgufType::kString:
    case GgufType::kArray:
      break;
  }
  return 0;
}

std::optional<int64_t> GgufValue::integer_at(int64_t i) const {
  const std::byte* at = bytes.data() + static_cast<uint64_t>(i) * gguf_type_bytes(element);
  const auto load = [at]<class T>(T x) {
    std::memcpy(&x, at, sizeof x);
    return x;
  };
  switch (element) {
    case GgufType::kU8:
      return load(uint8_t{});
    case GgufType::kI8:
      return load(int8_t{});
    case GgufType::kU16:
      return load(uint16_t{});
    case GgufType::kI16:
      return load(int16_t{});
    case GgufType::kU32:
      return load(uint32_t{});
    case GgufType::kI32:
      return load(int32_t{});
    case GgufType::kI64:
      return load(int64_t{});
    case GgufType::kU64: {
      const auto x = load(uint64_t{});
      if (x > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
      return static_cast<int64_t>(x);
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> GgufValue::number_at(int64_t i) const {
  const std::byte* at = bytes.data() + static_cast<uint64_t>(i) * gguf_type_bytes(element);
  if (element == GgufType::kF32) {
    float x = 0;
    std::memcpy(&x, at, sizeof x);
    return x;
  }
  if (element == GgufType::kF64) {
    double x = 0;
    std::memcpy(&x, at, sizeof x);
    return x;
  }
  if (const auto x = integer_at(i)) return static_cast<double>(*x);
  return std::nullopt;
}

const char* gguf_type_name(GgufType type) {
  static constexpr const char* kNames[] = {"U8",   "I8",     "U16",   "I16", "U32", "I32", "F32",
                                           "BOOL", "STRING", "ARRAY", "U64", "I64", "F64"};
  return kNames[static_cast<uint32_t>(type)];
}

std::string GgufValue::describe() const {
  if (type != GgufType::kArray) return gguf_type_name(type);
  return fmt::format("an array of {} {}", count, gguf_type_name(element));
}

}  // namespace ilora
