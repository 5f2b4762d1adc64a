// SmolLM2-135M from its GGUF against transformers reading the same file (make_smollm.py), and bf16
// against f32. Needs the model: ILORA_MODEL names it, scripts/test.sh sets that.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "base/json.h"
#include "base/random.h"
#include "data/mini_suite.h"
#include "model/generate.h"
#include "tests/model_fixture.h"
#include "train/workbench.h"

namespace ilora {
namespace {

using testing::golden_folder;
using testing::TestModel;

constexpr double kLogitTolerance = 2e-3;

class SmolLm2 : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* path = std::getenv("ILORA_MODEL");
    if (path == nullptr || *path == 0)
      GTEST_SKIP() << "ILORA_MODEL names no model; scripts/model.sh obtains it";
    path_ = path;
    if (config_from_model().layers != 30) GTEST_SKIP() << path_ << " is not SmolLM2-135M";
  }
  ModelConfig config_from_model() const { return ModelFiles(path_).config(); }

  std::string path_;
  const Json golden_ = read_json(golden_folder("smollm2") / "reference.json");
};

TEST_F(SmolLm2, LogitsEqualTransformers) {
  TestModel model(path_, cpu_kernels(), DType::kF32);
  double worst = 0;
  for (const Json& prompt : golden_["prompts"]) {
    const auto ids = prompt["ids"].get<std::vector<int32_t>>();
    const auto near = [&](float got, double expected, const std::string& what) {
      worst = std::max(worst, std::abs(static_cast<double>(got) - expected));
      EXPECT_NEAR(got, expected, kLogitTolerance) << what;
    };
    model.engine.all_logits(ids, {}, [&](size_t position, std::span<const float> logits) {
      if (position + 1 < ids.size()) {
        near(logits[static_cast<size_t>(ids[position + 1])], prompt["next_logits"][position],
             "next token");
        return;
      }
      for (size_t i = 0; i < prompt["top_ids"].size(); ++i) {
        near(logits[prompt["top_ids"][i].get<size_t>()], prompt["top_logits"][i], "top");
      }
      for (size_t i = 0; i < golden_["fixed_ids"].size(); ++i) {
        near(logits[golden_["fixed_ids"][i].get<size_t>()], prompt["fixed_logits"][i], "fixed");
      }
      double sum = 0;
      for (const float x : logits) sum += static_cast<double>(x);
      EXPECT_NEAR(sum / static_cast<double>(logits.size()), prompt["mean"].get<double>(),
                  kLogitTolerance);
    });
  }
  RecordProperty("max_abs_difference", std::to_string(worst));
  std::printf("largest absolute difference of a logit: %.2e\n", worst);
}

TEST_F(SmolLm2, GreedyTokensEqualTransformers) {
  TestModel model(path_, cpu_kernels(), DType::kF32);
  std::vector<std::vector<int32_t>> prompts;
  GenerateOptions options;
  for (const Json& prompt : golden_["prompts"]) {
    prompts.push_back(prompt["ids"].get<std::vector<int32_t>>());
    options.max_new_tokens = static_cast<int64_t>(prompt["greedy"].size());
  }
  const auto answers = generate(model.engine, {}, prompts, options);
  for (size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i], golden_["prompts"][i]["greedy"].get<std::vector<int32_t>>())
        << "prompt " << i;
  }
}

double cosine(const Kernels& k, Tensor a, Tensor b) {
  return k.dot(a, b) / std::sqrt(k.dot(a, a) * k.dot(b, b));
}

// A training batch: eight rows of each task of the mini suite.
std::vector<Row> mini_rows(const ModelFiles& files) {
  std::vector<Row> rows;
  const Tokenizer tokenizer = load_tokenizer(files);
  const Encoder encoder(tokenizer, {}, files.config().context);
  for (const TaskText& task : mini_suite()) {
    for (size_t i = 0; i < 40; i += 5)
      rows.push_back(encoder.encode(task.train[i], 0, rows.size(), task.name));
  }
  return rows;
}

struct Gradient {
  AdapterLayout layout;
  Buffer values;
};

// With B as after some training.
Gradient gradient_of(const std::filesystem::path& path, ProductForm form) {
  TestModel model(path, cpu_kernels(), form);
  const std::vector<Row> rows = mini_rows(model.files);
  Adapter adapter(model.files.config(), {});
  adapter.initialise(3, 0);
  const Random random(4, Stream::kTest);
  for (const LoraBlock& b : adapter.layout().blocks()) {
    for (int64_t i = b.offset_bt; i < b.offset_bt + b.rank * b.out; ++i) {
      adapter.values().ptr<float>()[i] =
          static_cast<float>(0.01 * random.normal(static_cast<uint64_t>(i)));
    }
  }
  Gradient gradient{adapter.layout(), Buffer(DType::kF32, {adapter.layout().size()})};
  const Pass pass{
      {cross_entropy_segment(row_pointers(rows), {{&adapter, 1.0, gradient.values.view()}})}};
  PassReport report;
  model.engine.run(pass, count_denominators(pass), 0, report);
  return gradient;
}

// Cosines to the gradient in f32: of all values as a vector, and of each tensor.
void expect_follows_f32(const std::filesystem::path& path, ProductForm form, double least_whole,
                        double least_of_a_tensor) {
  const Gradient f32 = gradient_of(path, DType::kF32), other = gradient_of(path, form);
  const Kernels& k = cpu_kernels();
  double lowest = 1;
  for (const LoraBlock& b : f32.layout.blocks()) {
    for (const auto& [offset, size] :
         {std::pair{b.offset_a, b.rank * b.in}, std::pair{b.offset_bt, b.rank * b.out}}) {
      const double c = cosine(k, f32.values.view().rows(offset, offset + size),
                              other.values.view().rows(offset, offset + size));
      lowest = std::min(lowest, c);
      EXPECT_GE(c, least_of_a_tensor) << b.name();
    }
  }
  const double whole = cosine(k, f32.values.view(), other.values.view());
  EXPECT_GE(whole, least_whole);
  std::printf("cosine to the f32 gradient: whole %.5f, lowest of a tensor %.5f\n", whole, lowest);
}

TEST_F(SmolLm2, Bf16GradientsFollowF32) {
  if (!cpu_features().bf16_possible) GTEST_SKIP() << "this CPU cannot run bf16 matrix products";
  expect_follows_f32(path_, DType::kBF16, 0.998, 0.995);
}

// Products of bytes have plain code too, so that this runs everywhere.
TEST_F(SmolLm2, Int8GradientsFollowF32) {
  expect_follows_f32(path_, {DType::kF32, true}, 0.995, 0.98);
}

TEST_F(SmolLm2, Int8Bf16GradientsFollowF32) {
  if (!cpu_features().bf16_possible) GTEST_SKIP() << "this CPU cannot run bf16 matrix products";
  expect_follows_f32(path_, {DType::kBF16, true}, 0.995, 0.98);
}

}  // namespace
}  // namespace ilora
