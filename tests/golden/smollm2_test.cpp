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

TEST_F(SmolLm2, Bf16GradientsFollowF32) {
  if (!cpu_features().bf16_possible) GTEST_SKIP() << "this CPU cannot run bf16 matrix products";
  // A training batch: eight rows of each task of the mini suite.
  std::vector<Row> rows;
  const ModelFiles files(path_);
  const Tokenizer tokenizer = load_tokenizer(files);
  const Encoder encoder(tokenizer, {}, files.config().context);
  for (const TaskText& task : mini_suite()) {
    for (size_t i = 0; i < 40; i += 5)
      rows.push_back(encoder.encode(task.train[i], 0, rows.size(), task.name));
  }
  std::vector<Buffer> gradients;
  AdapterLayout layout;
  for (const DType type : {DType::kF32, DType::kBF16}) {
    TestModel model(path_, cpu_kernels(), type);
    Adapter adapter(model.files.config(), {});
    adapter.initialise(3, 0);
    const Random random(4, Stream::kTest);
    for (const LoraBlock& b : adapter.layout().blocks()) {  // B as after some training
      for (int64_t i = b.offset_bt; i < b.offset_bt + b.rank * b.out; ++i) {
        adapter.values().ptr<float>()[i] =
            static_cast<float>(0.01 * random.normal(static_cast<uint64_t>(i)));
      }
    }
    layout = adapter.layout();
    gradients.emplace_back(DType::kF32, std::initializer_list<int64_t>{layout.size()});
    const Pass pass{
        {cross_entropy_segment(row_pointers(rows), {{&adapter, 1.0, gradients.back().view()}})}};
    PassReport report;
    model.engine.run(pass, count_denominators(pass), 0, report);
  }
  const Kernels& k = cpu_kernels();
  const Tensor f32 = gradients[0].view(), bf16 = gradients[1].view();
  double lowest = 1;
  for (const LoraBlock& b : layout.blocks()) {
    for (const auto& [offset, size] :
         {std::pair{b.offset_a, b.rank * b.in}, std::pair{b.offset_bt, b.rank * b.out}}) {
      const double c = cosine(k, f32.rows(offset, offset + size), bf16.rows(offset, offset + size));
      lowest = std::min(lowest, c);
      EXPECT_GE(c, 0.995) << b.name();
    }
  }
  const double whole = cosine(k, f32, bf16);
  EXPECT_GE(whole, 0.998);
  std::printf("cosine of bf16 and f32 gradients: whole %.5f, lowest of a tensor %.5f\n", whole,
              lowest);
}

}  // namespace
}  // namespace ilora
