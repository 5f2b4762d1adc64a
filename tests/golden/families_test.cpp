// Tiny random models of every family against transformers and PEFT (make_families.py): logits, loss
// and every LoRA gradient, from Hugging Face folders and from GGUF files; and rotary scalings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "model/cache.h"
#include "model/peft.h"
#include "tests/golden/golden_values.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using testing::expect_blocks;
using testing::expect_close;
using testing::Golden;
using testing::golden_folder;
using testing::kRelative;
using testing::TestModel;

struct FamilyCase {
  const char* name;
  bool gguf;  // whether llama.cpp knows what the folder says
};
constexpr FamilyCase kCases[] = {{"mistral-window", false},
                                 {"qwen2-window", false},
                                 {"qwen3", true},
                                 {"qwen3-window", false},
                                 {"smollm3", true},
                                 {"olmo2", true},
                                 {"granite", true},
                                 {"phi3", true},
                                 {"phi4-mini", true},
                                 {"gemma2", true},
                                 {"gemma2-scalar", false},
                                 {"gemma3", true},
                                 {"llama-bias", true},
                                 {"olmo3", true},
                                 {"ministral", false},
                                 {"ministral3", true},
                                 {"glm4", true},
                                 {"exaone4", true},
                                 {"cohere", true},
                                 {"cohere2", true},
                                 {"stablelm", true},
                                 {"stablelm-parallel", true},
                                 {"starcoder2", true},
                                 {"gemma4", true},
                                 {"gemma4-values", false},
                                 {"gemma3-vision", false},
                                 {"mistral3-vision", false}};

void PrintTo(const FamilyCase& c, std::ostream* out) {
  *out << c.name;
}

std::vector<float> logits_of(Engine& engine, const Row& row, const Uses& uses) {
  std::vector<float> logits;
  engine.all_logits(row.tokens, uses, [&](size_t, std::span<const float> values) {
    logits.insert(logits.end(), values.begin(), values.end());
  });
  return logits;
}

class FamilyGolden : public ::testing::TestWithParam<FamilyCase> {
 protected:
  std::vector<const char*> files() const {
    return GetParam().gguf ? std::vector<const char*>{"model", "model.gguf"}
                           : std::vector<const char*>{"model"};
  }
  std::string name_ = std::string("families/") + GetParam().name;
  std::filesystem::path folder_ = golden_folder(name_);
  Golden golden_{name_};
};

TEST_P(FamilyGolden, Logits) {
  for (const Kernels* kernels : {&reference_kernels(DType::kF32), &cpu_kernels()}) {
    for (const char* file : files()) {
      for (const WeightStorage storage : {WeightStorage::kExpanded, WeightStorage::kStored}) {
        TestModel model(folder_ / file, *kernels, DType::kF32, {}, storage);
        const Adapter adapter = load_peft(folder_ / "adapter", model.files.config());
        for (size_t i = 0; i < golden_.rows.size(); ++i) {
          const std::string where = fmt::format("{} {} row {}", kernels->name, file, i);
          expect_close(logits_of(model.engine, golden_.rows[i], {}),
                       golden_.read(fmt::format("base.logits.{}", i)), where);
          expect_close(logits_of(model.engine, golden_.rows[i], {{&adapter, 1.0, {}}}),
                       golden_.read(fmt::format("adapter.logits.{}", i)), where + " with LoRA");
        }
      }
    }
  }
}

TEST_P(FamilyGolden, LossAndGradients) {
  for (const Kernels* kernels : {&reference_kernels(DType::kF32), &cpu_kernels()}) {
    for (const char* file : files()) {
      for (const bool recompute : {false, true}) {
        const EngineOptions options{.label_chunk = 3, .recompute = recompute};
        TestModel model(folder_ / file, *kernels, DType::kF32, options);
        const Adapter adapter = load_peft(folder_ / "adapter", model.files.config());
        const Buffer gradient(DType::kF32, {adapter.layout().size()});
        const Pass pass{{cross_entropy_segment(row_pointers(golden_.rows),
                                               {{&adapter, 1.0, gradient.view()}})}};
        PassReport report;
        model.engine.run(pass, count_denominators(pass), 0, report);
        const auto loss = golden_.json["loss"].get<double>();
        EXPECT_NEAR(report.total(), loss, kRelative * loss);
        expect_blocks(gradient.view(), adapter.layout(), golden_, "grad.");
      }
    }
  }
}

// Only the lowest maps of the upper layer are trained: the last block computes the rows that are
// read alone, and gradients stop inside it.
TEST_P(FamilyGolden, AdaptersOfFewMapsHaveTheSameGradient) {
  TestModel model(folder_ / "model", cpu_kernels(), DType::kF32);
  const ModelConfig& config = model.files.config();
  const bool joined = config.maps.joined_attention;
  LoraOptions options;
  options.targets = {joined ? "qkv_proj" : "v_proj"};
  Adapter adapter(config, options);
  for (int64_t i = 0; i < adapter.layout().size(); ++i)
    adapter.values().ptr<float>()[i] = 0.02f * static_cast<float>(i % 13 - 6);
  LoraOptions more = options;
  more.targets.emplace_back("down_proj");
  Adapter wide(config, more);  // the same maps and others that give nothing
  for (const LoraBlock& block : adapter.layout().blocks()) {
    const LoraBlock& own = *wide.layout().find(block.layer, block.module);
    std::copy_n(adapter.values().ptr<float>() + block.offset_a, block.rank * (block.in + block.out),
                wide.values().ptr<float>() + own.offset_a);
  }
  const auto gradient_of = [&](const Adapter& a) {
    Buffer gradient(DType::kF32, {a.layout().size()});
    const Pass pass{
        {cross_entropy_segment(row_pointers(golden_.rows), {{&a, 1.0, gradient.view()}})}};
    PassReport report;
    model.engine.run(pass, count_denominators(pass), 0, report);
    return gradient;
  };
  const Buffer few = gradient_of(adapter), all = gradient_of(wide);
  for (const LoraBlock& block : adapter.layout().blocks()) {
    const auto size = static_cast<size_t>(block.rank * (block.in + block.out));
    const LoraBlock& own = *wide.layout().find(block.layer, block.module);
    expect_close({few.ptr<float>() + block.offset_a, size}, {all.ptr<float>() + own.offset_a, size},
                 block.name());
  }
}

// Token by token through the cache as all at once.
TEST_P(FamilyGolden, DecodesThroughTheCache) {
  TestModel model(folder_ / "model", cpu_kernels(), DType::kF32);
  const Row& row = golden_.rows[1];
  const auto width = static_cast<size_t>(model.files.config().vocabulary);
  const std::vector<float> expected = golden_.read("base.logits.1");
  KeyValueCache& cache = model.engine.cache(1, std::ssize(row.tokens));
  for (size_t i = 0; i < row.tokens.size(); ++i) {
    const Feed feed{std::span(row.tokens).subspan(i, 1), {}, 0, static_cast<int64_t>(i)};
    model.engine.next_logits({&feed, 1}, Uses{}, cache, [&](size_t, std::span<const float> logits) {
      expect_close(logits, std::span(expected).subspan(i * width, width), fmt::format("{}", i));
    });
  }
}

// bf16 products: what is computed is the same model.
TEST_P(FamilyGolden, InBf16) {
  TestModel model(folder_ / "model", cpu_kernels(), DType::kBF16);
  const Adapter adapter = load_peft(folder_ / "adapter", model.files.config());
  const std::vector<float> got = logits_of(model.engine, golden_.rows[1], {{&adapter, 1.0, {}}});
  const std::vector<float> expected = golden_.read("adapter.logits.1");
  double error = 0, size = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    error += std::pow(static_cast<double>(got[i]) - static_cast<double>(expected[i]), 2);
    size += std::pow(static_cast<double>(expected[i]), 2);
  }
  EXPECT_LE(std::sqrt(error / size), 0.05);
  const Buffer gradient(DType::kF32, {adapter.layout().size()});
  const Pass pass{
      {cross_entropy_segment(row_pointers(golden_.rows), {{&adapter, 1.0, gradient.view()}})}};
  PassReport report;
  model.engine.run(pass, count_denominators(pass), 0, report);
  const auto loss = golden_.json["loss"].get<double>();
  EXPECT_NEAR(report.total(), loss, 0.05 * loss);
}

INSTANTIATE_TEST_SUITE_P(All, FamilyGolden, ::testing::ValuesIn(kCases), [](const auto& test) {
  std::string name = test.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(RotaryScalings, AsTransformersComputesThem) {
  const Golden golden("families/rotary");
  const std::filesystem::path folder = golden_folder("families/rotary");
  for (const Json& entry : golden.json["names"]) {
    const auto name = entry.get<std::string>();
    TemporaryFolder copy;
    std::filesystem::copy_file(folder / (name + ".json"), copy / "config.json");
    std::filesystem::copy_file(folder / "model/model.safetensors", copy / "model.safetensors");
    TestModel model(copy / ".", cpu_kernels(), DType::kF32);
    for (size_t i = 0; i < golden.rows.size(); ++i) {
      expect_close(logits_of(model.engine, golden.rows[i], {}),
                   golden.read(fmt::format("{}.logits.{}", name, i)),
                   fmt::format("{} row {}", name, i));
    }
  }
}

}  // namespace
}  // namespace ilora
