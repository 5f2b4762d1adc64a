// A base that stays as its file stores it gives what the same base expanded at load gives: the same
// bits, forward and backward, and from a key/value cache. On the mixed file of make_tiny_gguf.py,
// and on a real one (ILORA_MODEL) where the head is expanded in pieces.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "base/parallel.h"
#include "base/random.h"
#include "tests/model_fixture.h"

namespace ilora {
namespace {

using testing::golden_folder;
using testing::make_row;
using testing::TestModel;

const std::filesystem::path& mixed() {
  static const std::filesystem::path path = golden_folder("tiny-llama") / "mixed.gguf";
  return path;
}

struct Outcome {
  std::vector<float> gradient, logits, decoded;
  double loss = 0;
};

std::vector<float> values(std::span<const float> x) {
  return {x.begin(), x.end()};
}

// One step's pass with LoRA everywhere, the logits of a sequence, and a token fed behind a cache.
Outcome outcome(TestModel& model) {
  LoraOptions options;
  options.rank = 3;
  options.dropout = 0.2;
  options.targets = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};
  const ModelConfig& config = model.files.config();
  Adapter adapter(config, options);
  const Random random(3, Stream::kTest);
  for (int64_t i = 0; i < adapter.layout().size(); ++i)
    adapter.values().ptr<float>()[i] =
        static_cast<float>(0.1 * random.normal(static_cast<uint64_t>(i)));
  const Buffer gradient(DType::kF32, {adapter.layout().size()});
  const std::vector<Row> rows = {make_row({3, 14, 15, 92, 65, 35, 89, 79}, 3, 10),
                                 make_row({31, 41, 59, 26}, 1, 11)};
  const Pass pass{{cross_entropy_segment(row_pointers(rows), {{&adapter, 1.0, gradient.view()}})}};
  Outcome result;
  PassReport report;
  model.engine.run(pass, count_denominators(pass), 5, report);
  result.loss = report.total();
  result.gradient = values({gradient.ptr<float>(), static_cast<size_t>(adapter.layout().size())});

  const Uses uses = {{&adapter, 1.0, {}}};
  const std::vector<int32_t> tokens = {7, 3, 0, 99};
  model.engine.all_logits(tokens, uses, [&](size_t, std::span<const float> logits) {
    result.logits.insert(result.logits.end(), logits.begin(), logits.end());
  });
  KeyValueCache cache(config, DType::kF32, 1, 8);
  const Feed feed{tokens, {}, 0, 0};
  model.engine.next_logits({&feed, 1}, uses, cache, [&](size_t, std::span<const float> logits) {
    result.decoded = values(logits);
  });
  return result;
}

struct Mode {
  const char* name;
  const Kernels& (*kernels)();
  DType gemm;
};
const Kernels& fast() {
  return cpu_kernels();
}
const Kernels& plain() {
  return reference_kernels(DType::kF32);
}

class StoredWeights : public ::testing::TestWithParam<Mode> {};

TEST_P(StoredWeights, GiveTheBitsOfExpandedOnes) {
  set_threads(1);
  const Mode mode = GetParam();
  TestModel expanded(mixed(), mode.kernels(), mode.gemm);
  TestModel stored(mixed(), mode.kernels(), mode.gemm, {}, WeightStorage::kStored);
  EXPECT_EQ(expanded.weights.sizes().mapped_bytes, 0);
  EXPECT_GT(stored.weights.sizes().mapped_bytes, 0);
  EXPECT_LT(stored.weights.bytes(), expanded.weights.bytes());
  const Outcome a = outcome(expanded), b = outcome(stored);
  EXPECT_GT(a.loss, 0.0);
  EXPECT_EQ(a.loss, b.loss);
  EXPECT_EQ(a.gradient, b.gradient);
  EXPECT_EQ(a.logits, b.logits);
  EXPECT_EQ(a.decoded, b.decoded);
}

INSTANTIATE_TEST_SUITE_P(Modes, StoredWeights,
                         ::testing::Values(Mode{"cpu_f32", fast, DType::kF32},
                                           Mode{"cpu_bf16", fast, DType::kBF16},
                                           Mode{"reference_f32", plain, DType::kF32},
                                           Mode{"reference_bf16", plain, DType::kBF16}),
                         [](const auto& test) { return test.param.name; });

// Of a Hugging Face folder what is stored in the GEMMs' type is used where it lies in the file.
TEST(StoredBase, NothingIsExpandedWhereTheFileHasTheGemmsType) {
  const ModelFiles files(golden_folder("tiny-llama") / "model");
  const Weights weights(files, DType::kF32, DType::kF32, WeightStorage::kStored);
  EXPECT_EQ(weights.scratch_elements(), 0);
  EXPECT_GT(weights.sizes().mapped_bytes, 100000);
}

// A Q4_1 base against the bf16 one, and the head in several pieces.
TEST(StoredBase, ARealBaseInAThirdOfTheMemory) {
  const char* path = std::getenv("ILORA_MODEL");
  if (path == nullptr) GTEST_SKIP() << "ILORA_MODEL names no model";
  EngineOptions small;
  small.max_tokens = 64;
  small.label_chunk = 16;
  TestModel expanded(path, cpu_kernels(), DType::kF32, small);
  TestModel stored(path, cpu_kernels(), DType::kF32, small, WeightStorage::kStored);
  const double bf16 = 0.5 * static_cast<double>(expanded.weights.bytes());
  EXPECT_LE(static_cast<double>(stored.weights.bytes()), 0.37 * bf16);
  EXPECT_GT(stored.files.config().vocabulary, Weights::kHeadRows);
  const Outcome a = outcome(expanded), b = outcome(stored);
  const auto close = [](const std::vector<float>& x, const std::vector<float>& y) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double dx = static_cast<double>(x[i]), dy = static_cast<double>(y[i]);
      difference += (dx - dy) * (dx - dy);
      norm += dy * dy;
    }
    EXPECT_GT(norm, 0.0);
    return std::sqrt(difference / norm);
  };
  EXPECT_NEAR(a.loss, b.loss, 1e-5);
  EXPECT_LE(close(b.logits, a.logits), 1e-5);
  EXPECT_LE(close(b.decoded, a.decoded), 1e-5);
  EXPECT_LE(close(b.gradient, a.gradient), 1e-4);
}

}  // namespace
}  // namespace ilora
