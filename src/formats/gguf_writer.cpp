#include "formats/gguf_writer.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/new_file.h"

namespace ilora {
namespace {

constexpr std::string_view kAlignment = "general.alignment";

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_text(std::string& out, std::string_view text) {
  append(out, static_cast<uint64_t>(text.size()));
  out += text;
}

std::string padding(uint64_t size, uint64_t alignment) {
  return std::string((alignment - size % alignment) % alignment, '\0');
}

}  // namespace

void GgufWriter::put(std::string_view key, GgufType type, std::string bytes) {
  std::string entry;
  append(entry, static_cast<uint32_t>(type));
  entry += bytes;
  const auto at = std::ranges::find(metadata_, key, [](const auto& e) { return e.first; });
  if (at != metadata_.end()) {
    at->second = std::move(entry);
  } else {
    metadata_.emplace_back(key, std::move(entry));
  }
}

void GgufWriter::text(std::string_view key, std::string_view value) {
  std::string bytes;
  append_text(bytes, value);
  put(key, GgufType::kString, std::move(bytes));
}

void GgufWriter::u32(std::string_view key, uint32_t value) {
  std::string bytes;
  append(bytes, value);
  if (key == kAlignment) alignment_ = value;
  put(key, GgufType::kU32, std::move(bytes));
}

void GgufWriter::f32(std::string_view key, float value) {
  std::string bytes;
  append(bytes, value);
  put(key, GgufType::kF32, std::move(bytes));
}

void GgufWriter::copy(std::string_view key, const GgufValue& value) {
  std::string bytes;
  if (value.type == GgufType::kArray) {
    append(bytes, static_cast<uint32_t>(value.element));
    append(bytes, static_cast<uint64_t>(value.count));
  }
  for (const std::string_view text : value.strings) append_text(bytes, text);
  bytes.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
  // Of a file that was read, so a power of two below 2^30.
  if (key == kAlignment)
    alignment_ = static_cast<uint32_t>(value.integer_at(0).value_or(alignment_));
  put(key, value.type, std::move(bytes));
}

void GgufWriter::add(PlannedTensor tensor) {
  ILORA_CHECK(gguf_type_number(tensor.dtype).has_value(), "{} has no place in GGUF",
              dtype_name(tensor.dtype));
  ILORA_CHECK(std::ranges::find(tensors_, tensor.name, &PlannedTensor::name) == tensors_.end(),
              "two tensors called {}", tensor.name);
  tensors_.push_back(std::move(tensor));
}

// All before the data.
std::string GgufWriter::header(uint64_t alignment) const {
  constexpr uint32_t kVersion = 3;
  std::string out = "GGUF";
  append(out, kVersion);
  append(out, static_cast<uint64_t>(tensors_.size()));
  append(out, static_cast<uint64_t>(metadata_.size()));
  for (const auto& [key, value] : metadata_) {
    append_text(out, key);
    out += value;
  }
  uint64_t offset = 0;
  for (const PlannedTensor& tensor : tensors_) {
    append_text(out, tensor.name);
    append(out, static_cast<uint32_t>(tensor.shape.size()));
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size)
      append(out, static_cast<uint64_t>(*size));  // innermost first
    append(out, *gguf_type_number(tensor.dtype));
    append(out, offset);
    const auto bytes = static_cast<uint64_t>(tensor.bytes());
    offset += bytes + padding(bytes, alignment).size();
  }
  return out + padding(out.size(), alignment);
}

void GgufWriter::write(const std::filesystem::path& path) const {
  NewFile file(path);
  file.write(header(alignment_));
  std::vector<std::byte> bytes;
  for (const PlannedTensor& tensor : tensors_) {
    bytes.resize(static_cast<size_t>(tensor.bytes()));
    tensor.fill(bytes);
    file.write(bytes);
    file.write(padding(bytes.size(), alignment_));
  }
  file.finish();
}

}  // namespace ilora
