// Reads and writes safetensors files, and reads folders of them as Hugging Face lays models out.
//
// Called by the model's weights, by PEFT folders and by checkpoints. A file is validated when it is
// opened, so that afterwards every view lies inside it. Specification: the README of
// huggingface/safetensors. Every span points into the mapping and lives as long as the
// SafetensorsFile or TensorFolder.
#pragma once

#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "formats/stored_tensor.h"

namespace ilora {

using StringMap = std::map<std::string, std::string, std::less<>>;

// F32, F16, BF16, F64 and I32 are read. A tensor of another type is passed over, and an error only
// when asked for.
class SafetensorsFile {
 public:
  // Maps and validates `path`. Throws Error(kFile) where it cannot be read and Error(kFormat) where
  // it is damaged, naming file and tensor.
  explicit SafetensorsFile(const std::filesystem::path& path);
  // The same for bytes in memory, which the caller keeps alive; `name` stands for the file in
  // errors.
  static SafetensorsFile from_bytes(std::span<const std::byte> bytes, const std::string& name);

  const std::string& name() const { return name_; }  // the path, for messages

  // The string metadata ("__metadata__"), empty where there is none.
  const StringMap& metadata() const { return metadata_; }
  const std::string& text(std::string_view key) const;  // throws Error(kFormat) where absent

  bool contains(std::string_view name) const;                                   // whatever its type
  int64_t bytes() const { return static_cast<int64_t>(file_.bytes().size()); }  // of the file
  // Those of the types read, in the file's order.
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  // nullptr where absent; throws Error(kUnsupported) where it has a type that is not read.
  const StoredTensor* find_tensor(std::string_view name) const;
  // As above; throws Error(kFormat) where absent.
  const StoredTensor& tensor(std::string_view name) const;

 private:
  SafetensorsFile() = default;
  void parse(std::span<const std::byte> bytes);

  MappedFile file_;
  std::string name_;
  StringMap metadata_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, size_t, std::less<>> index_;
  StringMap foreign_;  // tensors of a type not read: name to type
};

// Writes one file, atomically. The bytes depend on names, values and metadata alone, not on the
// order of `tensors`: larger elements come first (so all are aligned), then names in order, as the
// reference implementation does. Quantised types have no name in this format: Error(kUnsupported).
void write_safetensors(const std::filesystem::path& path, std::span<const StoredTensor> tensors,
                       const StringMap& metadata = {});

// A hash (base/hash.h) of names, types, shapes and values, whatever the tensors' order.
uint64_t hash_tensors(std::span<const StoredTensor> tensors, uint64_t seed = 0);

// A view of values in memory, to be written; `values` must outlive it.
template <class T>
StoredTensor stored_view(std::string name, std::vector<int64_t> shape, std::span<const T> values) {
  return {std::move(name), DTypeOf<T>::value, std::move(shape), std::as_bytes(values)};
}

// Copies the values of a tensor whose type and size must be those of `out` (a file may hold them
// misaligned). `where` is the file, for the error (kFormat).
template <class T>
void copy_values(std::span<T> out, const StoredTensor& tensor, const std::string& where) {
  if (tensor.dtype != DTypeOf<T>::value || tensor.bytes.size() != out.size_bytes()) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[safetensors] expected {} with {} values, got {} ({})",
                            dtype_name(DTypeOf<T>::value), out.size(), tensor.describe(), where));
  }
  if (!out.empty()) std::memcpy(out.data(), tensor.bytes.data(), out.size_bytes());
}

// The weights of a Hugging Face folder: model.safetensors, or model.safetensors.index.json and its
// shards.
class TensorFolder {
 public:
  // Throws Error(kFile) where the weights or a shard are missing, Error(kFormat) where a file is
  // damaged or a tensor that the index lists is not in its shard.
  explicit TensorFolder(const std::filesystem::path& folder);

  const std::string& name() const { return name_; }  // the folder, for messages
  std::vector<std::filesystem::path> files() const;
  // Those of the types read, shard by shard.
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  // As in SafetensorsFile.
  const StoredTensor* find_tensor(std::string_view name) const;
  const StoredTensor& tensor(std::string_view name) const;

 private:
  void open_shards(const std::filesystem::path& folder, const std::filesystem::path& index);

  std::string name_;
  std::vector<SafetensorsFile> files_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, size_t, std::less<>> index_;
};

}  // namespace ilora
