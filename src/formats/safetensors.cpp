#include "formats/safetensors.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <set>
#include <tuple>

#include "base/hash.h"
#include "base/json.h"
#include "base/new_file.h"
#include "base/stand_in.h"
#include "formats/check.h"
#include "formats/planned_tensor.h"

namespace ilora {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors numbers are read in place");

constexpr const char* kDamaged = "The file is damaged or was cut short; obtain it again.";
constexpr const char* kSupported =
    "Supported types: F32, F16, BF16, F64, I32. Convert the file to one of these.";
constexpr const char* kMetadata = "__metadata__";
constexpr uint64_t kLengthBytes = 8;
constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kF64, DType::kI32};

[[noreturn]] void fail(const std::string& message, const std::string& hint = kDamaged) {
  throw Error(ErrorKind::kFormat, "[safetensors] " + message, hint);
}

[[noreturn]] void fail_foreign(std::string_view name, std::string_view type,
                               const std::string& where) {
  throw Error(ErrorKind::kUnsupported,
              fmt::format("[safetensors] tensor type {} is not supported (tensor {}, {})",
                          printable(type), printable(name), where),
              kSupported);
}

[[noreturn]] void fail_absent(std::string_view name, const std::string& where) {
  fail(fmt::format("expected tensor {}, got none of that name ({})", printable(name), where),
       "The file belongs to another model, or is incomplete.");
}

std::optional<DType> read_dtype(std::string_view name) {
  const auto* it =
      std::ranges::find_if(kTypes, [&](DType type) { return name == dtype_name(type); });
  return it == std::end(kTypes) ? std::nullopt : std::optional(*it);
}

Json parse_header(std::string_view text, const std::string& where) {
  Json header = parse_json(text, "the header of " + where);
  if (!header.is_object())
    fail(fmt::format("expected a JSON object as header, got {} ({})", header.type_name(), where));
  return header;
}

struct Entry {
  std::string name, type;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;
};

int64_t read_size(const Json& value, const char* what, const std::string& at) {
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (!value.is_number_unsigned() || value.get<uint64_t>() > kMost) {
    fail(fmt::format("expected \"{}\" to hold integers from 0 below 2^63, got another value ({})",
                     what, at));
  }
  return value.get<int64_t>();
}

const Json& member(const Json& object, const char* key, const std::string& at) {
  if (object.is_object()) {
    if (const auto it = object.find(key); it != object.end()) return *it;
  }
  fail(fmt::format("expected \"dtype\", \"shape\" and \"data_offsets\", got no \"{}\" ({})", key,
                   at));
}

Entry read_entry(const std::string& name, const Json& value, const std::string& where) {
  const std::string at = fmt::format("tensor {}, {}", printable(name), where);
  Entry entry;
  entry.name = name;
  const Json& type = member(value, "dtype", at);
  if (!type.is_string()) fail(fmt::format("expected \"dtype\" to be a string ({})", at));
  entry.type = type.get<std::string>();
  const Json& shape = member(value, "shape", at);
  if (!shape.is_array()) fail(fmt::format("expected \"shape\" to be an array ({})", at));
  for (const Json& dimension : shape) entry.shape.push_back(read_size(dimension, "shape", at));
  const Json& offsets = member(value, "data_offsets", at);
  if (!offsets.is_array() || offsets.size() != 2) {
    fail(fmt::format("expected \"data_offsets\" to be an array of two ({})", at));
  }
  entry.begin = static_cast<uint64_t>(read_size(offsets[0], "data_offsets", at));
  entry.end = static_cast<uint64_t>(read_size(offsets[1], "data_offsets", at));
  if (entry.end < entry.begin) {
    fail(fmt::format("expected \"data_offsets\" in order, got {} and {} ({})", entry.begin,
                     entry.end, at));
  }
  const auto dtype = read_dtype(entry.type);
  const auto size = dtype ? checked_bytes(*dtype, entry.shape) : std::nullopt;
  if (dtype && size != static_cast<int64_t>(entry.end - entry.begin)) {
    fail(fmt::format("expected {} bytes for {} of shape ({}), got {} ({})",
                     size ? std::to_string(*size) : "fewer than 2^62", entry.type,
                     fmt::join(entry.shape, ", "), entry.end - entry.begin, at));
  }
  return entry;
}

StringMap read_metadata(const Json& value, const std::string& where) {
  StringMap out;
  if (!value.is_object())
    fail(fmt::format("expected an object of strings as \"{}\" ({})", kMetadata, where));
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) {
      fail(fmt::format("expected a string, got {} (metadata {}, {})", text.type_name(),
                       printable(key), where));
    }
    out.emplace(key, text.get<std::string>());
  }
  return out;
}

// The tensors cover the data from its start to its end, without gap or overlap, as the
// specification demands.
void check_cover(const std::vector<Entry>& entries, uint64_t data_size, const std::string& where) {
  uint64_t position = 0;
  for (const Entry& entry : entries) {
    if (entry.end > data_size) {
      fail(fmt::format("expected data of at least {} bytes, got {} (tensor {}, {})", entry.end,
                       data_size, printable(entry.name), where));
    }
    if (entry.begin != position) {
      fail(
          fmt::format("expected \"data_offsets\" to begin at {}, where the tensor before ends, got "
                      "{} (tensor {}, {})",
                      position, entry.begin, printable(entry.name), where));
    }
    position = entry.end;
  }
  if (position != data_size) {
    fail(fmt::format("expected tensors for all {} bytes of data, got them for {} ({})", data_size,
                     position, where));
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : file_(path), name_(path.string()) {
  parse(file_.bytes());
}

SafetensorsFile SafetensorsFile::from_bytes(std::span<const std::byte> bytes,
                                            const std::string& name) {
  SafetensorsFile file;
  file.name_ = name;
  file.parse(bytes);
  return file;
}

void SafetensorsFile::parse(std::span<const std::byte> bytes) {
  if (bytes.size() < kLengthBytes) {
    fail(fmt::format("expected a header length of 8 bytes, got a file of {} bytes ({})",
                     bytes.size(), name_));
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > bytes.size() - kLengthBytes) {
    refuse_stand_in({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "safetensors",
                    "a safetensors file", name_);
    fail(fmt::format("expected a header of {} bytes, got a file of {} ({})", length, bytes.size(),
                     name_),
         "This is not a safetensors file, or it was cut short.");
  }
  const auto text = bytes.subspan(kLengthBytes, length),
             data = bytes.subspan(kLengthBytes + length);
  if (text.empty() || text[0] != std::byte{'{'}) {
    fail(fmt::format("expected a header that begins with '{{' ({})", name_),
         "This is not a safetensors file.");
  }
  const Json header =
      parse_header({reinterpret_cast<const char*>(text.data()), text.size()}, name_);
  std::vector<Entry> entries;
  for (const auto& [key, value] : header.items()) {
    if (key == kMetadata) {
      metadata_ = read_metadata(value, name_);
    } else {
      entries.push_back(read_entry(key, value, name_));
    }
  }
  std::ranges::sort(entries, {}, [](const Entry& e) { return std::tie(e.begin, e.end, e.name); });
  check_cover(entries, data.size(), name_);
  for (Entry& entry : entries) {
    const auto dtype = read_dtype(entry.type);
    if (!dtype) {
      foreign_.emplace(entry.name, entry.type);
      continue;
    }
    index_.emplace(entry.name, tensors_.size());
    tensors_.push_back({std::move(entry.name), *dtype, std::move(entry.shape),
                        data.subspan(entry.begin, entry.end - entry.begin)});
  }
}

const std::string& SafetensorsFile::text(std::string_view key) const {
  const auto it = metadata_.find(key);
  if (it == metadata_.end()) {
    fail(fmt::format("expected metadata {}, got none ({})", printable(key), name_),
         "The file was written by another program, or for another purpose.");
  }
  return it->second;
}

bool SafetensorsFile::contains(std::string_view name) const {
  return index_.contains(name) || foreign_.contains(name);
}

const StoredTensor* SafetensorsFile::find_tensor(std::string_view name) const {
  if (const auto it = index_.find(name); it != index_.end()) return &tensors_[it->second];
  if (const auto it = foreign_.find(name); it != foreign_.end())
    fail_foreign(name, it->second, name_);
  return nullptr;
}

const StoredTensor& SafetensorsFile::tensor(std::string_view name) const {
  const StoredTensor* found = find_tensor(name);
  if (found == nullptr) fail_absent(name, name_);
  return *found;
}

namespace {

// The header, padded so that the data is aligned; the tensors are in the order of their data.
std::string header_of(std::span<const PlannedTensor* const> sorted, const StringMap& metadata,
                      const std::string& where) {
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  uint64_t position = 0;
  for (const PlannedTensor* tensor : sorted) {
    ILORA_CHECK(!header.contains(tensor->name), "two tensors called {}", tensor->name);
    const uint64_t end = position + static_cast<uint64_t>(tensor->bytes());
    header[tensor->name] = {{"dtype", dtype_name(tensor->dtype)},
                            {"shape", tensor->shape},
                            {"data_offsets", {position, end}}};
    position = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception&) {
    throw Error(ErrorKind::kData,
                fmt::format("[safetensors] names and metadata must be valid UTF-8 ({})", where));
  }
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), kLengthBytes) + text;
}

std::vector<const PlannedTensor*> in_order(std::span<const PlannedTensor> tensors,
                                           const std::string& where) {
  std::vector<const PlannedTensor*> sorted;
  for (const PlannedTensor& tensor : tensors) {
    if (std::ranges::find(kTypes, tensor.dtype) == std::end(kTypes))
      fail_foreign(tensor.name, dtype_name(tensor.dtype), where);
    ILORA_CHECK(tensor.name != kMetadata);
    sorted.push_back(&tensor);
  }
  std::ranges::sort(sorted, {}, [](const PlannedTensor* t) {
    return std::tuple(-dtype_bytes(t->dtype, 1), std::string_view(t->name));
  });
  return sorted;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::span<const StoredTensor> tensors,
                       const StringMap& metadata) {
  std::vector<PlannedTensor> planned;
  for (const StoredTensor& tensor : tensors) {
    ILORA_CHECK(
        checked_bytes(tensor.dtype, tensor.shape) == static_cast<int64_t>(tensor.bytes.size()),
        "{}", tensor.describe());
    planned.push_back(planned_copy(tensor));
  }
  const auto sorted = in_order(planned, path.string());
  std::string content = header_of(sorted, metadata, path.string());
  for (const PlannedTensor* tensor : sorted) {
    const size_t begin = content.size();
    content.resize(begin + static_cast<size_t>(tensor->bytes()));
    tensor->fill(std::as_writable_bytes(std::span(content).subspan(begin)));
  }
  write_file_atomic(path, content);
}

void write_planned_safetensors(const std::filesystem::path& path,
                               std::span<const PlannedTensor> tensors, const StringMap& metadata) {
  const auto sorted = in_order(tensors, path.string());
  NewFile file(path);
  file.write(header_of(sorted, metadata, path.string()));
  std::vector<std::byte> bytes;
  for (const PlannedTensor* tensor : sorted) {
    bytes.resize(static_cast<size_t>(tensor->bytes()));
    tensor->fill(bytes);
    file.write(bytes);
  }
  file.finish();
}

TensorFolder::TensorFolder(const std::filesystem::path& folder) : name_(folder.string()) {
  const auto whole = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
  if (std::filesystem::exists(whole)) {
    files_.emplace_back(whole);
    for (const StoredTensor& tensor : files_[0].tensors()) {
      index_.emplace(tensor.name, tensors_.size());
      tensors_.push_back(tensor);
    }
    return;
  }
  if (std::filesystem::exists(index)) {
    open_shards(folder, index);
    return;
  }
  const bool pickled = std::filesystem::exists(folder / "pytorch_model.bin");
  throw Error(
      ErrorKind::kFile,
      fmt::format(
          "[safetensors] expected model.safetensors or model.safetensors.index.json in {}, got {}",
          name_, pickled ? "pytorch_model.bin" : "neither"),
      pickled ? "Save the model again with save_pretrained(folder, safe_serialization=True)."
              : "Name a folder that holds a model's weights.");
}

void TensorFolder::open_shards(const std::filesystem::path& folder,
                               const std::filesystem::path& index) {
  const Json content = read_json(index);
  const auto map = content.is_object() ? content.find("weight_map") : content.end();
  if (!content.is_object() || map == content.end() || !map->is_object()) {
    fail(fmt::format("expected an object \"weight_map\" ({})", index.string()));
  }
  std::map<std::string, std::vector<std::string>> shards;  // file to the tensors it should hold
  for (const auto& [name, file] : map->items()) {
    const std::string shard = file.is_string() ? file.get<std::string>() : "";
    // A plain file name: an index must not reach outside its folder.
    if (shard.empty() || shard == ".." || shard.find('/') != std::string::npos) {
      fail(fmt::format("expected the name of a file in the same folder, got {} (tensor {}, {})",
                       printable(shard), printable(name), index.string()));
    }
    shards[shard].push_back(name);
  }
  for (auto& [shard, names] : shards) {
    if (!std::filesystem::exists(folder / shard)) {
      throw Error(ErrorKind::kFile,
                  fmt::format("[safetensors] expected shard {}, got no such file ({})",
                              (folder / shard).string(), index.string()),
                  "The download is incomplete: obtain all files that the index names.");
    }
    const SafetensorsFile& file = files_.emplace_back(folder / shard);
    for (const std::string& name : names) {
      if (!file.contains(name)) {
        fail(fmt::format("expected tensor {}, which {} lists, got none of that name ({})",
                         printable(name), index.string(), file.name()));
      }
    }
    const std::set<std::string_view> listed(names.begin(), names.end());
    for (const StoredTensor& tensor : file.tensors()) {
      if (!listed.contains(tensor.name)) continue;
      index_.emplace(tensor.name, tensors_.size());
      tensors_.push_back(tensor);
    }
  }
}

std::vector<std::filesystem::path> TensorFolder::files() const {
  std::vector<std::filesystem::path> paths;
  for (const SafetensorsFile& file : files_) paths.emplace_back(file.name());
  return paths;
}

const StoredTensor* TensorFolder::find_tensor(std::string_view name) const {
  if (const auto it = index_.find(name); it != index_.end()) return &tensors_[it->second];
  for (const SafetensorsFile& file : files_) {
    if (file.contains(name)) return file.find_tensor(name);  // of a type not read: throws
  }
  return nullptr;
}

const StoredTensor& TensorFolder::tensor(std::string_view name) const {
  const StoredTensor* found = find_tensor(name);
  if (found == nullptr) fail_absent(name, name_);
  return *found;
}

uint64_t hash_tensors(std::span<const StoredTensor> tensors, uint64_t seed) {
  std::vector<const StoredTensor*> sorted;
  for (const StoredTensor& tensor : tensors) sorted.push_back(&tensor);
  std::ranges::sort(sorted, {}, &StoredTensor::name);
  uint64_t hash = seed;
  for (const StoredTensor* tensor : sorted)
    hash = hash_bytes(tensor->bytes, hash_text(tensor->describe(), hash));
  return hash;
}

}  // namespace ilora
