// Writes GGUF files, version 3: metadata in the order given, then tensors. Read back by gguf.h.
// Called for LoRA files and for merged models (model/). Specification: docs/gguf.md of the ggml
// project.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/gguf_value.h"
#include "formats/planned_tensor.h"

namespace ilora {

// ggml's number of a tensor type; none where GGUF has no such type. (In gguf.cpp, beside its
// inverse.)
std::optional<uint32_t> gguf_type_number(DType dtype);

class GgufWriter {
 public:
  // A key that is there takes the new value, in its old place.
  void text(std::string_view key, std::string_view value);
  void u32(std::string_view key, uint32_t value);
  void f32(std::string_view key, float value);
  void copy(std::string_view key, const GgufValue& value);  // as it stands in another file

  // Of a type that GGUF has, under a name of its own.
  void add(PlannedTensor tensor);

  // Writes the file as a whole or not at all (base/new_file.h). Data is aligned as
  // general.alignment says, by default to 32. Throws Error(kFile), and what the tensors' own `fill`
  // throws.
  void write(const std::filesystem::path& path) const;

 private:
  void put(std::string_view key, GgufType type, std::string bytes);
  std::string header(uint64_t alignment) const;

  std::vector<std::pair<std::string, std::string>> metadata_;  // key; type and value as in the file
  std::vector<PlannedTensor> tensors_;
  uint32_t alignment_ = 32;
};

}  // namespace ilora
