// Rounding to Q4_K, Q5_K and Q6_K against ggml's own (tests/golden/make_quantise_k.py): no larger an error, over each kind of
// numbers and each block.
#include "tensor/quantise_k.h"

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "tensor/quant.h"
#include "tensor/quantise.h"

namespace ilora {
namespace {

constexpr DType kTypes[] = {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

std::vector<float> values_of(const StoredTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.size()));
  expand_rows(values.data(), tensor, 0, tensor.size() / tensor.row_length());
  return values;
}

std::vector<float> expanded(std::span<const std::byte> blocks, DType type, size_t count) {
  std::vector<float> values(count);
  expand_elements(values.data(), type, blocks.data(), static_cast<int64_t>(count));
  return values;
}

std::vector<float> rounded(const std::vector<float>& values, DType type) {
  const auto count = static_cast<int64_t>(values.size());
  std::vector<std::byte> blocks(static_cast<size_t>(dtype_bytes(type, count)));
  quantise_elements(blocks.data(), type, values.data(), count);
  return expanded(blocks, type, values.size());
}

double error(const std::vector<float>& a, const std::vector<float>& b, size_t begin, size_t end) {
  double sum = 0;
  for (size_t i = begin; i < end; ++i) sum += std::pow(static_cast<double>(a[i]) - b[i], 2);
  return std::sqrt(sum / static_cast<double>(end - begin));
}

TEST(QuantiseK, ErrsNoMoreThanGgml) {
  const SafetensorsFile file(ILORA_SOURCE_DIR "/tests/golden/quantise_k/blocks.safetensors");
  int kinds = 0;
  for (const StoredTensor& tensor : file.tensors()) {
    if (!tensor.name.ends_with(".values")) continue;
    ++kinds;
    const std::string name = tensor.name.substr(0, tensor.name.find('.'));
    const std::vector<float> values = values_of(tensor);
    for (const DType type : kTypes) {
      const std::vector<float> theirs =
          expanded(file.tensor(name + "." + dtype_name(type)).bytes, type, values.size());
      const std::vector<float> ours = rounded(values, type);
      const double their = error(theirs, values, 0, values.size());
      const double our = error(ours, values, 0, values.size());
      std::printf("%-10s %s: %.3e, ggml's %.3e, ratio %.3f\n", name.c_str(), dtype_name(type), our,
                  their, our / their);
      EXPECT_LE(our, 1.001 * their) << name << " " << dtype_name(type);
      for (size_t begin = 0; begin < values.size(); begin += kSuperBlock)
        EXPECT_LE(error(ours, values, begin, begin + kSuperBlock),
                  1.05 * error(theirs, values, begin, begin + kSuperBlock) + 1e-12)
            << name << " " << dtype_name(type) << " block " << begin / kSuperBlock;
    }
  }
  EXPECT_EQ(kinds, 9);
}

// What lies on a grid of the type stays where it is, so that merging nothing into a file loses next to nothing.
TEST(QuantiseK, WhatIsOnAGridStaysThere) {
  const SafetensorsFile file(ILORA_SOURCE_DIR "/tests/golden/quantise_k/blocks.safetensors");
  for (const DType type : kTypes) {
    const std::string type_name = dtype_name(type);
    for (const char* name : {"normal", "down", "query"}) {
      const std::vector<float> values = values_of(file.tensor(std::string(name) + ".values"));
      const std::vector<float> grid =
          expanded(file.tensor(std::string(name) + "." + type_name).bytes, type, values.size());
      EXPECT_LE(error(rounded(grid, type), grid, 0, grid.size()),
                0.25 * error(grid, values, 0, grid.size()))
          << name << " " << type_name;
    }
  }
}

}  // namespace
}  // namespace ilora
