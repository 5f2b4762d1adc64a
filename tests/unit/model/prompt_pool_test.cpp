// Soft prompts around the model: which prompts of a pool a text chooses, and how an adapter with
// soft prompts answers.
#include "model/prompt_pool.h"

#include <gtest/gtest.h>

#include "tests/model_fixture.h"

namespace ilora {
namespace {

using testing::golden_folder;
using testing::TestModel;

TEST(PromptPool, KeysAreChosenByCosine) {
  std::vector<float> keys = {1, 0, /**/ 10, 10, /**/ 0, 0, /**/ -1, 0, /**/ 2, 0};
  const std::vector<float> query = {3, 1};
  const auto cosines = key_similarities(Tensor(keys.data(), DType::kF32, {5, 2}), query);
  const double length = std::sqrt(10.0);
  EXPECT_NEAR(cosines[0], 3 / length, 1e-12);
  EXPECT_NEAR(cosines[1], 4 / (length * std::sqrt(2.0)), 1e-12);
  EXPECT_EQ(cosines[2], 0);  // a key of no direction
  EXPECT_NEAR(cosines[3], -3 / length, 1e-12);
  EXPECT_NEAR(cosines[4], cosines[0], 1e-12);  // length does not matter
  EXPECT_EQ(nearest_keys(std::vector<double>{0.1, 0.9, 0.9, 0.5}, 3),
            (std::vector<int32_t>{1, 2, 3}));
  EXPECT_EQ(nearest_keys(std::vector<double>{0.1, 0.9}, 3), (std::vector<int32_t>{1, 0}));
  EXPECT_EQ(prefix_of_keys({6, 3, 2}, std::vector<int32_t>{2, 0}), (Prefix{{4, 5, 0, 1}}));
}

TEST(PromptPool, AnAdapterAnswersWithItsPrompts) {
  TestModel model(golden_folder("tiny-llama") / "model", cpu_kernels(), DType::kF32);
  const ModelConfig& config = model.files.config();
  const std::vector<int32_t> one = {3, 14, 15, 92}, other = {27, 18, 28, 18};

  const Adapter lora(config, {});
  EXPECT_FALSE(answerer_of(model.engine, lora).prefix);
  LoraOptions options;
  options.targets = {};
  options.prompts = {3, 0, 0};
  const Adapter prompts(config, options);
  EXPECT_EQ(answerer_of(model.engine, prompts).prefix(one), (Prefix{{0, 1, 2}}));

  // A pool of three pairs; the keys of the first and the last are two texts' own queries.
  options.prompts = {6, 3, 1};
  const Adapter pool(config, options);
  const Tensor keys = prompt_keys(pool.values(), pool.layout());
  for (const auto& [key, text] : {std::pair{0, one}, std::pair{2, other}}) {
    const std::vector<float> query = prompt_query(model.engine, text);
    std::copy(query.begin(), query.end(), keys.rows(key, key + 1).ptr<float>());
  }
  const Answerer answerer = answerer_of(model.engine, pool);
  EXPECT_EQ(answerer.prefix(one), (Prefix{{0, 1}}));
  EXPECT_EQ(answerer.prefix(other), (Prefix{{4, 5}}));
}

TEST(PromptPool, BeginsAtEmbeddings) {
  TestModel model(golden_folder("tiny-llama") / "model", cpu_kernels(), DType::kF32);
  const int64_t width = model.files.config().width;
  const Buffer first(DType::kF32, {4, width}), again(DType::kF32, {4, width}),
      other(DType::kF32, {4, width});
  fill_with_embeddings(model.engine, first.view(), Random(1, Stream::kTest));
  fill_with_embeddings(model.engine, again.view(), Random(1, Stream::kTest));
  fill_with_embeddings(model.engine, other.view(), Random(2, Stream::kTest));
  const auto size = static_cast<size_t>(first.view().size());
  EXPECT_TRUE(std::equal(first.ptr<float>(), first.ptr<float>() + size, again.ptr<float>()));
  EXPECT_FALSE(std::equal(first.ptr<float>(), first.ptr<float>() + size, other.ptr<float>()));
  const float* table = model.weights.embedding().stored.ptr<float>();
  for (int64_t p = 0; p < 4; ++p) {
    int64_t matches = 0;
    for (int64_t t = 0; t < model.files.config().vocabulary; ++t)
      matches +=
          std::equal(table + t * width, table + (t + 1) * width, first.ptr<float>() + p * width)
              ? 1
              : 0;
    EXPECT_EQ(matches, 1);
  }
}

}  // namespace
}  // namespace ilora
