// A tensor that is to be written: what it is, and who fills in its bytes when its turn comes. So a
// file may be larger than memory; the writers (gguf_writer.h, and that of
// safetensors below) hold one tensor at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "formats/stored_tensor.h"

namespace ilora {

struct PlannedTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // outermost dimension first
  // Writes all bytes of the tensor, which may throw; none is written then. Called once per file.
  std::function<void(std::span<std::byte> out)> fill;

  int64_t size() const;   // number of elements
  int64_t bytes() const;  // of all of it; the innermost dimension holds whole blocks
};

// Writes `values` as elements of a type that tensor/quantise.h knows. Throws Error(kUnsupported)
// naming the tensor where the type does not hold a number: F16 ends at 65504.
void fill_elements(std::span<std::byte> out, DType type, std::span<const float> values,
                   const std::string& name);

// A safetensors file of such tensors, as write_safetensors (safetensors.h) orders them. It replaces a
// file that `path` names, and nothing else (base/new_file.h). Throws what `fill` throws, and
// Error(kUnsupported) for a type that has no name in this format.
void write_planned_safetensors(
    const std::filesystem::path& path, std::span<const PlannedTensor> tensors,
    const std::map<std::string, std::string, std::less<>>& metadata = {});

// The tensor as it is; what it views must outlive the plan.
PlannedTensor planned_copy(const StoredTensor& stored);

}  // namespace ilora
