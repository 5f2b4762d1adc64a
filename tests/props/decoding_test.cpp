// New tokens computed from the file's blocks: near what training's weights give, the same whoever is
// beside them and on any number of threads, and nothing else of a model changed.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/parallel.h"
#include "base/random.h"
#include "kernels/check.h"
#include "model/generate.h"
#include "tests/model_fixture.h"

namespace ilora {
namespace {

using testing::golden_folder;
using testing::TestModel;

using Logits = std::vector<std::vector<float>>;  // per feed

std::filesystem::path blocks() {
  return golden_folder("tiny-llama") / "blocks.gguf";
}

EngineOptions decoding(Decoding how) {
  EngineOptions options;
  options.decoding = how;
  return options;
}

std::vector<std::vector<int32_t>> some_prompts(size_t count) {
  std::vector<std::vector<int32_t>> prompts(count);
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = 0; j < 3 + i % 4; ++j)
      prompts[i].push_back(static_cast<int32_t>((i * 31 + j * 17 + 5) % 96));
  }
  return prompts;
}

// A model with an adapter, and prompts that are read: what the engine is asked next is one step.
struct Answering {
  explicit Answering(EngineOptions options, const Kernels& kernels = cpu_kernels(),
                     DType gemm = DType::kF32, size_t count = 5,
                     WeightStorage storage = WeightStorage::kExpanded)
      : model(blocks(), kernels, gemm, options, storage),
        adapter(model.files.config(), lora()),
        uses{{&adapter, 1.0, {}}},
        prompts(some_prompts(count)),
        cache(model.files.config(), DType::kF32, static_cast<int64_t>(count), 40) {
    const Random random(3, Stream::kTest);
    for (int64_t i = 0; i < adapter.layout().size(); ++i)
      adapter.values().ptr<float>()[i] =
          static_cast<float>(0.1 * random.normal(static_cast<uint64_t>(i)));
    std::vector<Feed> feeds;
    for (size_t i = 0; i < count; ++i)
      feeds.push_back({prompts[i], {}, static_cast<int64_t>(i), 0});
    model.engine.next_logits(feeds, uses, cache, [&](size_t, std::span<const float> logits) {
      read.emplace_back(logits.begin(), logits.end());
    });
  }

  static LoraOptions lora() {
    LoraOptions options;
    options.rank = 3;
    options.targets = {"q_proj", "v_proj", "down_proj"};
    return options;
  }

  // The logits behind one more token of prompts [first, first + count).
  Logits step(size_t first, size_t count) {
    static constexpr int32_t kToken = 42;
    std::vector<Feed> feeds;
    for (size_t i = first; i < first + count; ++i)
      feeds.push_back(
          {{&kToken, 1}, {}, static_cast<int64_t>(i), static_cast<int64_t>(prompts[i].size())});
    Logits all;
    model.engine.step(feeds, {&uses, 1}, cache, [&](size_t, std::span<const float> logits) {
      all.emplace_back(logits.begin(), logits.end());
    });
    return all;
  }

  TestModel model;
  Adapter adapter;
  Uses uses;
  std::vector<std::vector<int32_t>> prompts;
  KeyValueCache cache;
  Logits read;
};

double distance(const Logits& a, const Logits& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t v = 0; v < a[i].size(); ++v) {
      const double x = static_cast<double>(a[i][v]), y = static_cast<double>(b[i][v]);
      difference += (x - y) * (x - y);
      size += y * y;
    }
  }
  return std::sqrt(difference / size);
}

struct Mode {
  const char* name;
  DType gemm;
  WeightStorage storage;
};
class Steps : public ::testing::TestWithParam<Mode> {};

// Bytes hold a block's elements to 1/254 of the largest; a tiny model's few terms average little.
TEST_P(Steps, AreNearTheExactOnesAndNotThem) {
  const Mode mode = GetParam();
  Answering a(decoding(Decoding::kBlocks), cpu_kernels(), mode.gemm, 5, mode.storage);
  Answering b(decoding(Decoding::kExact), cpu_kernels(), mode.gemm, 5, mode.storage);
  EXPECT_TRUE(a.model.engine.has_steps());
  EXPECT_FALSE(b.model.engine.has_steps());
  EXPECT_EQ(a.read, b.read) << "reading prompts is not decoding";
  const double apart = distance(a.step(0, 5), b.step(0, 5));
  EXPECT_LE(apart, 0.03);
  EXPECT_GT(apart, 1e-4) << "the blocks were not read";
}

TEST_P(Steps, DoNotHangOnThoseBesideThem) {
  const Mode mode = GetParam();
  Answering a(decoding(Decoding::kBlocks), cpu_kernels(), mode.gemm, 21, mode.storage);
  const Logits together = a.step(0, 21);
  for (size_t i = 0; i < 21; ++i) EXPECT_EQ(a.step(i, 1)[0], together[i]) << i;
}

INSTANTIATE_TEST_SUITE_P(Modes, Steps,
                         ::testing::Values(Mode{"f32", DType::kF32, WeightStorage::kExpanded},
                                           Mode{"bf16", DType::kBF16, WeightStorage::kExpanded},
                                           Mode{"f32_stored", DType::kF32, WeightStorage::kStored},
                                           Mode{"bf16_stored", DType::kBF16,
                                                WeightStorage::kStored}),
                         [](const auto& test) { return test.param.name; });

TEST(Decoding, HasTheSameBitsOnAnyNumberOfThreads) {
  Answering a(decoding(Decoding::kBlocks));
  Logits first;
  for (const int count : {1, 2, 5}) {
    const ScopedThreads threads(count);
    const Logits logits = a.step(0, 5);
    if (count == 1) first = logits;
    EXPECT_EQ(logits, first) << count << " threads";
  }
}

TEST(Decoding, PassesTheComparisonOfTables) {
  const CheckedKernels checked(cpu_kernels(), reference_kernels(DType::kF32));
  Answering a(decoding(Decoding::kBlocks), checked.table());
  EXPECT_EQ(a.step(0, 5).size(), 5U);
}

TEST(Decoding, AnswersDoNotHangOnTheBatch) {
  Answering a(decoding(Decoding::kBlocks));
  const auto prompts = some_prompts(19);
  GenerateOptions options;
  options.max_new_tokens = 12;
  options.batch = 16;
  const Answers together = generate(a.model.engine, a.uses, prompts, options);
  for (const int64_t batch : {1, 3}) {
    options.batch = batch;
    EXPECT_EQ(generate(a.model.engine, a.uses, prompts, options), together) << batch;
  }
}

// A file with plain matrices is decoded as it is trained.
TEST(Decoding, NeedsEveryMatrixInBlocks) {
  for (const char* name : {"mixed.gguf", "model"}) {
    TestModel model(golden_folder("tiny-llama") / name, cpu_kernels(), DType::kF32,
                    decoding(Decoding::kBlocks));
    EXPECT_FALSE(model.engine.has_steps()) << name;
  }
}

}  // namespace
}  // namespace ilora
