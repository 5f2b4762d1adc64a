// Files of tensors.
#include <vector>

#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "tests/fuzz/targets.h"

namespace ilora::fuzz {
namespace {

// Every value, so that a view outside the file is a crash here.
void use(const StoredTensor& tensor) {
  if (tensor.dtype == DType::kF64 || tensor.dtype == DType::kI32 || tensor.size() == 0) return;
  std::vector<float> out(static_cast<size_t>(tensor.size()));
  expand_rows(out.data(), tensor, 0, tensor.size() / tensor.row_length());
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

void read_gguf(std::string_view bytes) {
  const GgufFile file = GgufFile::from_bytes(bytes_of(bytes), "fuzz.gguf");
  for (const StoredTensor& tensor : file.tensors()) use(tensor);
}

void read_safetensors(std::string_view bytes) {
  const SafetensorsFile file = SafetensorsFile::from_bytes(bytes_of(bytes), "fuzz.safetensors");
  for (const StoredTensor& tensor : file.tensors()) use(tensor);
}

void read_index(std::string_view bytes) {
  const std::filesystem::path index = scratch_file("index/model.safetensors.index.json", bytes);
  static const bool shard = [&] {
    std::filesystem::copy_file(source_file("tests/golden/quant/expected.safetensors"),
                               index.parent_path() / "part-1.safetensors");
    return true;
  }();
  static_cast<void>(shard);
  const TensorFolder folder(index.parent_path());
  for (const StoredTensor& tensor : folder.tensors()) use(tensor);
}

}  // namespace ilora::fuzz
