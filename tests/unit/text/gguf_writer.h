// A tokenizer's metadata as a GGUF file, for the tests of the reader: nothing here uses the code
// under test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/unit/formats/bytes.h"

namespace ilora::test {

// Writes metadata as a GGUF file of version 3 without tensors.
class GgufWriter {
 public:
  void text(const std::string& key, const std::string& value) { begin(key, 8).string(value); }
  void u32(const std::string& key, uint32_t value) { begin(key, 4).u32(value); }
  void texts(const std::string& key, const std::vector<std::string>& values) {
    begin(key, 9).u32(8).u64(values.size());
    for (const auto& value : values) body_.string(value);
  }
  void numbers(const std::string& key, const std::vector<float>& values) { array(key, 6, values); }
  void integers(const std::string& key, const std::vector<int32_t>& values) {
    array(key, 5, values);
  }
  std::string finish() const {
    Builder file;
    file.header(3, 0, count_).out += body_.out;
    return file.align(32).out;
  }

 private:
  Builder body_;
  uint64_t count_ = 0;

  Builder& begin(const std::string& key, uint32_t type) {
    ++count_;
    return body_.entry(key, type);
  }
  template <typename T>
  void array(const std::string& key, uint32_t type, const std::vector<T>& values) {
    begin(key, 9).u32(type).u64(values.size());
    for (const T value : values) body_.number(value);
  }
};

}  // namespace ilora::test
