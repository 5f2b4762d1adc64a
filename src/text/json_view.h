// A tokenizer's JSON files with the place of each part, so that errors say where ("tokenizer.json:
// model.merges"). Internal to src/text; include it only in .cpp files: nlohmann-json is heavy.
#pragma once

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "text/utf8.h"

namespace ilora {

// A part of a file.
class JsonView {
 public:
  JsonView(const JsonTree& tree, std::string file, std::string key = {})
      : tree_(&tree), file_(std::move(file)), key_(std::move(key)) {}

  const JsonTree& tree() const { return *tree_; }
  std::string where() const { return key_.empty() ? file_ : file_ + ": " + key_; }
  bool has(const char* key) const {  // present and not null
    return tree_->is_object() && tree_->contains(key) && !(*tree_)[key].is_null();
  }
  JsonView at(const char* key) const {
    if (!has(key))
      throw Error(ErrorKind::kFormat,
                  fmt::format("[tokenizer] expected the key {}, got none ({})", key, where()));
    return {(*tree_)[key], file_, key_.empty() ? key : fmt::format("{}.{}", key_, key)};
  }
  JsonView at(size_t index) const {
    return {(*tree_)[index], file_, fmt::format("{}[{}]", key_, index)};
  }
  size_t size() const {  // of an array
    if (!tree_->is_array()) wrong("an array");
    return tree_->size();
  }
  std::string text() const {
    if (!tree_->is_string()) wrong("a string");
    return tree_->get<std::string>();
  }
  std::string text(const char* key) const { return at(key).text(); }
  bool boolean(const char* key, bool fallback) const {
    if (!has(key)) return fallback;
    const JsonView value = at(key);
    if (!value.tree().is_boolean()) value.wrong("true or false");
    return value.tree().get<bool>();
  }
  int32_t id() const {
    if (!tree_->is_number_integer() || *tree_ < 0 || *tree_ > INT32_MAX) wrong("a token id");
    return tree_->get<int32_t>();
  }
  [[noreturn]] void wrong(const std::string& expected) const {
    std::string got = tree_->dump();
    if (got.size() > 60) got = got.substr(0, 57) + "...";
    throw Error(ErrorKind::kFormat, fmt::format("[tokenizer] expected {}, got {} ({})", expected,
                                                replace_invalid_utf8(got), where()));
  }
  [[noreturn]] void unsupported(const std::string& what) const {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("[tokenizer] expected BPE of bytes, or of characters with bytes as "
                            "fallback, got {} ({})",
                            what, where()));
  }

 private:
  const JsonTree* tree_;
  std::string file_, key_;
};

}  // namespace ilora
