// Builds small files by hand, for the tests of the readers: nothing here uses the code under test.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace ilora::test {

using Bytes = std::vector<std::byte>;

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Appends little-endian numbers, and strings as GGUF writes them: a 64-bit length, then the bytes.
struct Builder {
  std::string out;

  template <class T>
  Builder& number(T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Builder& u32(uint64_t value) { return number(static_cast<uint32_t>(value)); }
  Builder& u64(uint64_t value) { return number(value); }
  Builder& string(std::string_view text) {
    u64(text.size());
    out += text;
    return *this;
  }
  Builder& header(uint32_t version, uint64_t tensors, uint64_t entries) {
    out += "GGUF";
    return u32(version).u64(tensors).u64(entries);
  }
  Builder& entry(std::string_view key, uint32_t type) { return string(key).u32(type); }
  // Dimensions innermost first, as in the file.
  Builder& tensor(std::string_view name, const std::vector<uint64_t>& shape, uint32_t type,
                  uint64_t offset) {
    string(name).u32(shape.size());
    for (const uint64_t size : shape) u64(size);
    return u32(type).u64(offset);
  }
  Builder& align(size_t to) {
    out.append((to - out.size() % to) % to, '\0');
    return *this;
  }
};

// A whole GGUF file: five kinds of metadata, three tensors.
inline std::string small_gguf(uint32_t version) {
  Builder b;
  b.header(version, 3, 6);
  b.entry("general.architecture", 8).string("llama");
  b.entry("general.alignment", 4).u32(32);
  b.entry("llama.rope.freq_base", 6).number(10000.0f);
  b.entry("flag", 7).number(uint8_t{1});
  b.entry("tokens", 9).u32(8).u64(3).string("a").string("").string("bc");
  b.entry("types", 9).u32(5).u64(2).number(int32_t{-1}).number(int32_t{7});
  b.tensor("norm", {3}, 0, 0)
      .tensor("weight", {32, 2}, 8, 32)
      .tensor("halves", {2, 2}, 1, 128)
      .align(32);
  for (int i = 0; i < 3; ++i) b.number(static_cast<float>(i));
  b.align(32);
  for (int i = 0; i < 68; ++i) b.number(static_cast<uint8_t>(i));
  b.align(32);
  for (int i = 0; i < 4; ++i) b.number(static_cast<uint16_t>(0x3c00 + i));
  return b.out;
}

inline std::string safetensors_of(std::string_view header, std::string_view data) {
  Builder b;
  b.string(header);
  return b.out + std::string(data);
}

inline std::string small_safetensors() {
  return safetensors_of(R"({"__metadata__":{"format":"pt"},)"
                        R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                        R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},)"
                        R"("c":{"dtype":"I64","shape":[1],"data_offsets":[32,40]}})",
                        "0123456789abcdef0123456789abcdef01234567");
}

// A folder of its own for one test, removed at the end.
class TestFolder {
 public:
  explicit TestFolder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() /
              ("ilora-" + name + "-" + std::to_string(reinterpret_cast<uintptr_t>(this)))) {
    std::filesystem::create_directories(path_);
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  std::filesystem::path write(const std::string& name, std::string_view content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// What an action throws: "message | hint", or "" where it throws nothing. The kind goes to *kind.
template <class Action>
std::string error_of(Action&& action, ErrorKind* kind = nullptr) {
  try {
    action();
  } catch (const Error& e) {
    if (kind != nullptr) *kind = e.kind();
    return std::string(e.what()) + " | " + e.hint();
  }
  return "";
}

}  // namespace ilora::test
