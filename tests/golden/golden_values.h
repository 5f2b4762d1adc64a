// What PyTorch computed for a tiny model (make_tiny_llama.py, make_tiny_qwen2.py), and how close
// ilora has to come.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "formats/safetensors.h"
#include "tests/model_fixture.h"

namespace ilora::testing {

inline constexpr double kRelative =
    1e-4;  // of the largest absolute value; the reference is float64

struct Golden {
  Json json;
  SafetensorsFile tensors;
  std::vector<Row> rows;

  explicit Golden(const std::string& folder)
      : json(read_json(golden_folder(folder) / "reference.json")),
        tensors(golden_folder(folder) / "reference.safetensors") {
    for (size_t i = 0; i < json["rows"].size(); ++i) {
      rows.push_back(
          make_row(json["rows"][i].get<std::vector<int32_t>>(), json["answer_tokens"][i], i));
    }
  }
  std::vector<float> read(const std::string& name) const {
    const StoredTensor& stored = tensors.tensor(name);
    std::vector<float> values(static_cast<size_t>(stored.size()));
    copy_values<float>(values, stored, "reference");
    return values;
  }
};

inline void expect_close(std::span<const float> got, std::span<const float> expected,
                         const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  double largest = 0, worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    worst =
        std::max(worst, std::abs(static_cast<double>(got[i]) - static_cast<double>(expected[i])));
  }
  EXPECT_GT(largest, 0.0) << what;
  EXPECT_LE(worst, kRelative * largest) << what;
}

// A flat vector's blocks against the reference's tensors `prefix`NAME.
inline void expect_blocks(Tensor flat, const AdapterLayout& layout, const Golden& golden,
                          const std::string& prefix) {
  for (const LoraBlock& b : layout.blocks()) {
    const std::string base = prefix + "base_model.model." + layout.path(b);
    const float* values = flat.ptr<float>();
    expect_close({values + b.offset_a, static_cast<size_t>(b.rank * b.in)},
                 golden.read(base + ".lora_A.weight"), base + " A");
    const std::vector<float> expected = golden.read(base + ".lora_B.weight");  // (out,R)
    std::vector<float> got(expected.size());
    for (int64_t o = 0; o < b.out; ++o) {
      for (int64_t r = 0; r < b.rank; ++r) {
        got[static_cast<size_t>(o * b.rank + r)] = values[b.offset_bt + r * b.out + o];
      }
    }
    expect_close(got, expected, base + " B");
  }
}

}  // namespace ilora::testing
