// Expansion against the values of the `gguf` Python package (tests/golden/make_quant.py), and rounding
// against its blocks, bit for bit.
#include "tensor/quant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>

#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "tensor/quantise.h"
#include "tests/unit/formats/bytes.h"

namespace ilora {
namespace {

using ::testing::HasSubstr;

TEST(Quant, EqualsTheReferenceBitForBit) {
  const GgufFile file(ILORA_SOURCE_DIR "/tests/golden/quant/types.gguf");
  const SafetensorsFile expected(ILORA_SOURCE_DIR "/tests/golden/quant/expected.safetensors");
  ASSERT_EQ(file.tensors().size(), 22u);
  ASSERT_EQ(expected.tensors().size(), 22u);
  for (const StoredTensor& tensor : file.tensors()) {
    ASSERT_EQ(tensor.shape, expected.tensor(tensor.name).shape);
    std::vector<uint32_t> want(static_cast<size_t>(tensor.size()));
    std::memcpy(want.data(), expected.tensor(tensor.name).bytes.data(),
                want.size() * sizeof(float));
    std::vector<float> got(want.size());
    expand_rows(got.data(), tensor, 0, tensor.shape[0]);
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), want[i]) << tensor.describe() << " at " << i;
    }
  }
}

// The other way: the package's own blocks, from its own values.
TEST(Quant, RoundsAsTheReferenceDoes) {
  const GgufFile file(ILORA_SOURCE_DIR "/tests/golden/quant/types.gguf");
  const StoredTensor& source = file.tensor("F32.values");
  std::vector<float> values(static_cast<size_t>(source.size()));
  expand_rows(values.data(), source, 0, source.shape[0]);
  int types = 0;
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0,
                           DType::kQ4_1, DType::kQ5_0, DType::kQ5_1}) {
    ASSERT_TRUE(is_quantisable(type));
    const StoredTensor& want = file.tensor(fmt::format("{}.values", dtype_name(type)));
    std::vector<std::byte> got(want.bytes.size());
    quantise_elements(got.data(), type, values.data(), source.size());
    EXPECT_TRUE(std::ranges::equal(got, want.bytes)) << want.describe();
    ++types;
  }
  EXPECT_EQ(types, 8);
  EXPECT_FALSE(is_quantisable(DType::kQ2_K));
}

TEST(Quant, ExpandsAnyRangeOfRows) {
  const GgufFile file(ILORA_SOURCE_DIR "/tests/golden/quant/types.gguf");
  for (const StoredTensor& tensor : file.tensors()) {
    const int64_t rows = tensor.shape[0], columns = tensor.row_length();
    std::vector<float> whole(static_cast<size_t>(tensor.size()));
    expand_rows(whole.data(), tensor, 0, rows);
    for (int64_t begin = 0; begin <= rows; ++begin) {
      for (int64_t end = begin; end <= rows; ++end) {
        std::vector<float> part(static_cast<size_t>((end - begin) * columns) + 1, -77.0f);
        expand_rows(part.data(), tensor, begin, end);
        EXPECT_EQ(part.back(), -77.0f);  // nothing written behind the last row
        ASSERT_TRUE(std::equal(part.begin(), part.end() - 1, whole.begin() + begin * columns))
            << tensor.describe();
      }
    }
  }
}

TEST(Quant, EveryHalf) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    std::byte bytes[2];
    std::memcpy(bytes, &half, 2);
    float got = 0;
    expand_f16(&got, bytes, 1);
    const float want = to_float(Float16{half});
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(got)) << bits;
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(want)) << bits;
    }
  }
}

TEST(Quant, OtherTypesAreAnErrorThatNamesTheTensor) {
  const std::vector<int32_t> values = {1, 2};
  const StoredTensor tensor = stored_view<int32_t>("steps", {2}, values);
  float out[2];
  ErrorKind kind = ErrorKind::kInternal;
  EXPECT_THAT(test::error_of([&] { expand_rows(out, tensor, 0, 1); }, &kind),
              HasSubstr("steps I32 (2)"));
  EXPECT_EQ(kind, ErrorKind::kUnsupported);
}

TEST(Quant, ExpandsAWholeModel) {
  const char* path = std::getenv("ILORA_MODEL");
  if (path == nullptr) GTEST_SKIP() << "set ILORA_MODEL to SmolLM2-135M-Instruct.Q4_1.gguf";
  const GgufFile file{std::filesystem::path(path)};
  int64_t values = 0;
  std::vector<float> out;
  for (const StoredTensor& tensor : file.tensors()) {
    out.resize(static_cast<size_t>(tensor.size()));
    expand_rows(out.data(), tensor, 0, tensor.size() / tensor.row_length());
    for (const float x : out) ASSERT_TRUE(std::abs(x) < 1000) << tensor.describe();
    values += tensor.size();
  }
  EXPECT_EQ(values, 134515008);
}

}  // namespace
}  // namespace ilora
