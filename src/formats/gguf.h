// Reads GGUF model files, versions 2 and 3: typed metadata and tensors, without an idea of what a
// model is.
//
// Called by the tokenizer (metadata) and by the model's weights (metadata and tensors). The whole
// file is validated when it is opened, so that afterwards every view lies inside it. Specification:
// docs/gguf.md of the ggml project. Every string_view and span of this file points into the mapping
// and lives as long as the GgufFile.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "formats/gguf_value.h"
#include "formats/stored_tensor.h"

namespace ilora {

class GgufFile {
 public:
  // Maps and validates `path`. Throws Error(kFile) where it cannot be read, Error(kFormat) where it
  // is damaged, Error(kUnsupported) for a version or tensor type that is valid but not read here;
  // each names file and tensor or key. A part of a split file opens all of them (gguf_parts.h): the
  // first one's metadata, the tensors of all.
  explicit GgufFile(const std::filesystem::path& path);
  // The same for bytes in memory, which the caller keeps alive; `name` stands for the file in
  // errors.
  static GgufFile from_bytes(std::span<const std::byte> bytes, const std::string& name);

  const std::string& name() const { return name_; }  // the path, of the first part, for messages
  // The file, or its parts in order.
  std::vector<std::filesystem::path> files() const;
  uint32_t version() const { return version_; }

  // Metadata. Without a fallback a missing key is Error(kFormat); a value of another type always
  // is. The error names file, key and the expected type.
  const GgufValue* find(std::string_view key) const;  // nullptr where absent
  std::string text(std::string_view key) const;
  std::string text(std::string_view key, std::string_view fallback) const;
  int64_t integer(std::string_view key) const;  // any integer type
  int64_t integer(std::string_view key, int64_t fallback) const;
  double number(std::string_view key) const;  // any floating-point or integer type
  double number(std::string_view key, double fallback) const;
  bool boolean(std::string_view key) const;
  bool boolean(std::string_view key, bool fallback) const;
  const std::vector<std::string_view>& texts(std::string_view key) const;  // an array of strings
  std::vector<int64_t> integers(std::string_view key) const;  // an array of any integer type
  std::vector<double> numbers(std::string_view key) const;    // an array of any number type
  const std::map<std::string_view, GgufValue>& metadata() const { return metadata_; }

  // Tensors, in the file's order; shapes outermost dimension first (the file has them innermost
  // first).
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const StoredTensor* find_tensor(std::string_view name) const;  // nullptr where absent
  const StoredTensor& tensor(std::string_view name) const;  // throws Error(kFormat) where absent

 private:
  GgufFile() = default;
  void parse(std::span<const std::byte> bytes);
  void add_part(const std::filesystem::path& path, int64_t number, int64_t count);
  const GgufValue& require(std::string_view key, const char* expected) const;
  // An array, element by element as `at` reads it.
  template <class T>
  std::vector<T> array(std::string_view key, const std::string& of,
                       std::optional<T> (GgufValue::*at)(int64_t) const) const;
  [[noreturn]] void wrong_type(std::string_view key, const char* expected,
                               const GgufValue& got) const;

  MappedFile file_;
  std::vector<MappedFile> more_;  // further parts
  std::string name_;
  uint32_t version_ = 0;
  std::map<std::string_view, GgufValue> metadata_;
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string_view, size_t> index_;
};

}  // namespace ilora
