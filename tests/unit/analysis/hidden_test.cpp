// Hidden states through the engine, against transformers' of the same rows, and their similarity.
#include "analysis/hidden.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/json.h"
#include "formats/safetensors.h"
#include "model/peft.h"
#include "tests/model_fixture.h"

namespace ilora {
namespace {

using testing::golden_folder;
using testing::TestModel;

TEST(HiddenStates, AreTransformersAtTheLastToken) {
  EngineOptions engine;
  engine.max_tokens = 16;  // forces several passes
  TestModel model(golden_folder("tiny-llama/model"), reference_kernels(DType::kF32), DType::kF32,
                  engine);
  const Adapter adapter = load_peft(golden_folder("tiny-llama/adapter-qv"), model.files.config());
  const Json json = read_json(golden_folder("tiny-llama/reference.json"));
  const SafetensorsFile reference(golden_folder("tiny-llama/reference.safetensors"));
  const auto rows = json.at("rows").get<std::vector<std::vector<int32_t>>>();
  const HiddenStates states = hidden_states(model.engine, rows, {{&adapter, 1.0, {}}});
  ASSERT_EQ(states.size(), 3U);  // the embedding and two layers
  for (size_t i = 0; i < rows.size(); ++i) {
    const StoredTensor& stored = reference.tensor(fmt::format("qv.hidden.{}", i));  // (L+1,T,D)
    std::vector<float> expected(static_cast<size_t>(stored.size()));
    copy_values<float>(expected, stored, reference.name());
    const size_t width = 32, length = rows[i].size();
    ASSERT_EQ(expected.size(), 3 * length * width);
    for (size_t l = 0; l < 3; ++l) {
      for (size_t d = 0; d < width; ++d)
        ASSERT_NEAR(states[l](static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(d)),
                    expected[(l * length + length - 1) * width + d], 1e-4)
            << "row " << i << ", layer " << l;
    }
  }
}

TEST(LayerCka, IsOneForTheSameStatesAndLessForOthers) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  const auto states = [&] {
    Eigen::MatrixXf m(70, 12);
    for (Eigen::Index i = 0; i < m.size(); ++i) m.data()[i] = normal(random);
    return HiddenStates{m, 2 * m};
  };
  const HiddenStates x = states(), y = states();
  for (const double value : layer_cka(x, x)) EXPECT_NEAR(value, 1, 1e-6);
  for (const double value : layer_cka(x, y)) EXPECT_LT(std::abs(value), 0.3);
}

TEST(LayerCka, JoinsALastBatchThatIsTooSmall) {
  const Eigen::MatrixXf m = Eigen::MatrixXf::Random(33, 4);
  EXPECT_NEAR(layer_cka({m}, {m}).front(), 1, 1e-6);
}

}  // namespace
}  // namespace ilora
