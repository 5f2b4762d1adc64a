// A tokenizer's metadata as a GGUF file, for the tests of the reader: nothing here uses the code
// under test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ilora::test {

// Writes metadata as a GGUF file of version 3 without tensors.
class GgufWriter {
 public:
  void text(const std::string& key, const std::string& value) {
    begin(key, 8);
    string(value);
  }
  void u32(const std::string& key, uint32_t value) {
    begin(key, 4);
    number(value);
  }
  void texts(const std::string& key, const std::vector<std::string>& values) {
    begin(key, 9);
    number<uint32_t>(8);
    number<uint64_t>(values.size());
    for (const auto& value : values) string(value);
  }
  void numbers(const std::string& key, const std::vector<float>& values) { array(key, 6, values); }
  void integers(const std::string& key, const std::vector<int32_t>& values) {
    array(key, 5, values);
  }
  std::string finish() const {
    std::string head = "GGUF";
    auto add = [&](auto value) {
      head.append(reinterpret_cast<const char*>(&value), sizeof(value));
    };
    add(uint32_t{3});
    add(uint64_t{0});
    add(count_);
    head += body_;
    head.resize((head.size() + 31) / 32 * 32, '\0');
    return head;
  }

 private:
  std::string body_;
  uint64_t count_ = 0;
  template <typename T>
  void number(T value) {
    body_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  template <typename T>
  void array(const std::string& key, uint32_t type, const std::vector<T>& values) {
    begin(key, 9);
    number(type);
    number<uint64_t>(values.size());
    for (const T value : values) number(value);
  }
  void string(const std::string& value) {
    number<uint64_t>(value.size());
    body_ += value;
  }
  void begin(const std::string& key, uint32_t type) {
    ++count_;
    string(key);
    number(type);
  }
};

}  // namespace ilora::test
