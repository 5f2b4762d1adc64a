// The tiny random Qwen2, whose queries, keys and values have biases, against transformers and PEFT
// (make_tiny_qwen2.py): logits, loss and every LoRA gradient, from a Hugging Face folder and from a
// GGUF file.
#include <gtest/gtest.h>

#include "model/peft.h"
#include "tests/golden/golden_values.h"

namespace ilora {
namespace {

using testing::expect_blocks;
using testing::expect_close;
using testing::Golden;
using testing::golden_folder;
using testing::kRelative;
using testing::TestModel;

class TinyQwen2 : public ::testing::TestWithParam<const char*> {
 protected:
  static const Kernels& kernels() {
    return GetParam() == std::string("cpu") ? cpu_kernels() : reference_kernels(DType::kF32);
  }
  static std::vector<float> logits_of(TestModel& model, const Row& row, const Uses& uses) {
    std::vector<float> logits;
    model.engine.all_logits(row.tokens, uses, [&](size_t, std::span<const float> values) {
      logits.insert(logits.end(), values.begin(), values.end());
    });
    return logits;
  }
  std::filesystem::path folder_ = golden_folder("tiny-qwen2");
  Golden golden_{"tiny-qwen2"};
};

TEST_P(TinyQwen2, Logits) {
  for (const char* file : {"model", "model.gguf"}) {
    for (const WeightStorage storage : {WeightStorage::kExpanded, WeightStorage::kStored}) {
      TestModel model(folder_ / file, kernels(), DType::kF32, {}, storage);
      const Adapter adapter = load_peft(folder_ / "adapter", model.files.config());
      for (size_t i = 0; i < golden_.rows.size(); ++i) {
        const std::string where = fmt::format("{} row {}", file, i);
        expect_close(logits_of(model, golden_.rows[i], {}),
                     golden_.read(fmt::format("base.logits.{}", i)), where);
        expect_close(logits_of(model, golden_.rows[i], {{&adapter, 1.0, {}}}),
                     golden_.read(fmt::format("adapter.logits.{}", i)), where + " with LoRA");
      }
    }
  }
}

TEST_P(TinyQwen2, LossAndGradients) {
  TestModel model(folder_ / "model", kernels(), DType::kF32);
  const Adapter adapter = load_peft(folder_ / "adapter", model.files.config());
  const Buffer gradient(DType::kF32, {adapter.layout().size()});
  const Pass pass{
      {cross_entropy_segment(row_pointers(golden_.rows), {{&adapter, 1.0, gradient.view()}})}};
  PassReport report;
  model.engine.run(pass, count_denominators(pass), 0, report);
  const auto loss = golden_.json["loss"].get<double>();
  EXPECT_NEAR(report.total(), loss, kRelative * loss);
  expect_blocks(gradient.view(), adapter.layout(), golden_, "grad.");
}

INSTANTIATE_TEST_SUITE_P(Tables, TinyQwen2, ::testing::Values("reference", "cpu"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace ilora
