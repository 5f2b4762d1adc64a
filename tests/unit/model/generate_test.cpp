// Generation picks no token that the tokenizer has none for.
#include "model/generate.h"

#include <gtest/gtest.h>

#include "tests/model_fixture.h"
#include "tests/unit/base/temporary_folder.h"
#include "tests/unit/model/model_on_disk.h"

namespace ilora {
namespace {

TEST(Generate, LeavesOutThePaddingOfTheVocabulary) {
  constexpr int64_t kTokens = 1000, kRows = 1008, kWidth = 32;
  TemporaryFolder folder;
  test::FolderModel model(ILORA_SOURCE_DIR "/tests/data/tiny-model");
  model.config["vocab_size"] = kRows;
  test::Values& embedding = model.tensors.at("model.embed_tokens.weight");
  embedding.shape[0] = kRows;
  // The head is tied: padding of either sign, so that one of two rows is the likeliest anywhere.
  for (int64_t i = kTokens * kWidth; i < kRows * kWidth; ++i)
    embedding.elements.push_back((i / kWidth) % 2 == 0 ? 50.0f : -50.0f);
  model.write(folder / "model");
  testing::TestModel tiny(folder / "model", cpu_kernels(), DType::kF32);
  const std::vector<std::vector<int32_t>> prompts = {{5, 6, 7}};
  GenerateOptions options;
  options.max_new_tokens = 12;
  const auto beyond = [&] {
    const Answers answers = generate(tiny.engine, Uses{}, prompts, options);
    return std::ranges::count_if(answers.front(), [](int32_t id) { return id >= kTokens; });
  };
  EXPECT_GT(beyond(), 0);
  options.tokens = kTokens;
  EXPECT_EQ(beyond(), 0);
  options.sampling.temperature = 5;
  EXPECT_EQ(beyond(), 0);
}

}  // namespace
}  // namespace ilora
