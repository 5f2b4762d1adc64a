// A value of a GGUF file's metadata: its type, and the bytes or strings in the mapped file.
//
// Read by gguf.cpp, which checks that all of it lies inside the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ilora {

// The value types of the metadata, numbered as in the file.
enum class GgufType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};
const char* gguf_type_name(GgufType type);
uint64_t gguf_type_bytes(GgufType type);  // 0: of no fixed size

struct GgufValue {
  GgufType type = GgufType::kU8;
  GgufType element = GgufType::kU8;  // of an array; else equal to `type`
  int64_t count = 1;                 // elements of an array; else 1
  std::span<const std::byte>
      bytes;  // the numbers, little endian, possibly misaligned; empty for strings
  std::vector<std::string_view> strings;  // of a string (one) or an array of strings

  // The i-th number, where it is one that the result can hold.
  std::optional<int64_t> integer_at(int64_t i) const;
  std::optional<double> number_at(int64_t i) const;
  std::string describe() const;  // "U32" or "array of 49152 STRING"
};

}  // namespace ilora
