// A model computes what its configuration says: each figure against a Llama whose weights are
// changed to the same effect.
#include "model/block.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/families/common.h"
#include "tests/model_fixture.h"
#include "tests/unit/base/temporary_folder.h"
#include "tests/unit/model/model_on_disk.h"
#include "tests/unit/model/told.h"

namespace ilora {
namespace {

using ::testing::AllOf;
using testing::golden_folder;
using ::testing::HasSubstr;
using testing::TestModel;

class BlockFollowsItsConfiguration : public ::testing::TestWithParam<const char*> {
 protected:
  using Change = void (*)(const FolderKeys& keys, ModelConfig& config);

  // The changed Llama's logits, read as a model whose configuration `read` fills.
  std::vector<float> logits(Change read, double norm_offset = 0) {
    llama_.write(folder_ / "model");
    const ModelFamily family = {.name = "scratch",
                                .model_type = "llama",
                                .partial_rotary = true,
                                .names = {.norm_offset_in_folder = norm_offset},
                                .from_folder = read};
    const ModelFamily* families[] = {&family};
    const Kernels& kernels =
        GetParam() == std::string("cpu") ? cpu_kernels() : reference_kernels(DType::kF32);
    TestModel model(folder_ / "model", kernels, DType::kF32, {}, WeightStorage::kExpanded,
                    families);
    std::vector<float> logits;
    const std::vector<int32_t> tokens = {3, 14, 15, 92, 65, 35, 89, 79, 32, 38};
    model.engine.all_logits(tokens, {}, [&](size_t, std::span<const float> row) {
      logits.insert(logits.end(), row.begin(), row.end());
    });
    return logits;
  }

  static void expect_same(const std::vector<float>& got, const std::vector<float>& expected) {
    float largest = 0, worst = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      largest = std::max(largest, std::abs(expected[i]));
      worst = std::max(worst, std::abs(got[i] - expected[i]));
    }
    EXPECT_GT(largest, 0.0f);
    EXPECT_LE(worst, 1e-5f * largest);  // sums in another order
  }

  TemporaryFolder folder_;
  test::FolderModel llama_{golden_folder("tiny-llama/model")};
};

// Per output row `to[i]` of a head (8 columns) the row that is put there.
void permute_heads(test::Values& values, const std::vector<size_t>& from) {
  const std::vector<float> kept = values.elements;
  const auto width = static_cast<size_t>(values.shape[1]);
  for (size_t row = 0; row < static_cast<size_t>(values.shape[0]); ++row) {
    const size_t source = row / 8 * 8 + from[row % 8];
    std::copy_n(kept.begin() + static_cast<std::ptrdiff_t>(source * width), width,
                values.elements.begin() + static_cast<std::ptrdiff_t>(row * width));
  }
}

TEST_P(BlockFollowsItsConfiguration, MultipliersAreWeightsMultiplied) {
  const std::vector<float> plain = logits(read_decoder);
  const std::vector<float> got = logits([](const FolderKeys& keys, ModelConfig& config) {
    read_decoder(keys, config);
    config.embedding_multiplier = 2;
    config.logit_scale = 0.25;
    config.blocks[0].query_scale = 4;
    config.blocks[1].residual_multiplier = 0.5;
  });
  llama_.change("embed_tokens", 2);
  llama_.change("lm_head", 0.25);
  llama_.change("layers.0.self_attn.q_proj", 4);
  llama_.change("layers.1.self_attn.o_proj", 0.5);
  llama_.change("layers.1.mlp.down_proj", 0.5);
  const std::vector<float> expected = logits(read_decoder);
  expect_same(got, expected);
  EXPECT_NE(got, plain);
}

TEST_P(BlockFollowsItsConfiguration, NormsHaveTheOffsetThatTheirFolderLeavesOut) {
  const std::vector<float> expected = logits(read_decoder);
  llama_.change("norm", 1, -1);
  expect_same(logits(read_decoder, 1.0), expected);
}

// Half of a head that turns is a whole head that turns with other frequencies, its rows in another
// order; no positions are frequencies of zero.
TEST_P(BlockFollowsItsConfiguration, RotaryPositionsTurnWhatTheSpecSays) {
  const std::vector<float> got = logits([](const FolderKeys& keys, ModelConfig& config) {
    read_decoder(keys, config);
    config.rotary = {{.base = 10000.0, .dims = 4, .divisors = {}}};
    config.blocks[1].rotary = -1;
  });
  for (const char* name : {"q_proj", "k_proj"}) {
    permute_heads(llama_.tensors.at(fmt::format("model.layers.0.self_attn.{}.weight", name)),
                  {0, 1, 4, 5, 2, 3, 6, 7});
  }
  const std::vector<float> expected = logits([](const FolderKeys& keys, ModelConfig& config) {
    read_decoder(keys, config);
    constexpr float kStill = 1e30f;
    const RotarySpec half = {
        .base = 10000.0,
        .dims = 8,
        .divisors = {1.0f, static_cast<float>(std::pow(10000.0, 0.25)), kStill, kStill}};
    const RotarySpec none = {
        .base = 10000.0, .dims = 8, .divisors = {kStill, kStill, kStill, kStill}};
    config.rotary = {half, none};
    config.blocks[1].rotary = 1;
  });
  expect_same(got, expected);
}

INSTANTIATE_TEST_SUITE_P(Tables, BlockFollowsItsConfiguration,
                         ::testing::Values("reference", "cpu"),
                         [](const auto& test) { return std::string(test.param); });

TEST(RequireComputable, NamesWhatNoBlockComputes) {
  ModelConfig config;
  config.layers = 2;
  config.context = 100;
  config.blocks.resize(2);
  const auto told = [&] { return test::told([&] { require_computable(config, "config.json"); }); };
  EXPECT_EQ(told(), "nothing");
  config.blocks[0].residual_multiplier = 0.5;
  EXPECT_EQ(told(), "nothing");
  config.blocks[0].bias[static_cast<size_t>(Module::kDown)] = true;
  EXPECT_THAT(told(), AllOf(HasSubstr("residual multiplier"), HasSubstr("layer 0"),
                            HasSubstr("config.json")));
  config.blocks[0] = {};
  config.blocks[0].post_norms = true;
  config.blocks[0].residual_multiplier = 0.5;
  EXPECT_THAT(told(), AllOf(HasSubstr("before a norm"), HasSubstr("layer 0")));
  config.blocks[0] = {};
  config.blocks[1].head_norm = HeadNorm::kHead;
  EXPECT_EQ(told(), "nothing");
  config.maps.joined_attention = true;
  EXPECT_THAT(told(), AllOf(HasSubstr("share a map"), HasSubstr("layer 1")));
}

}  // namespace
}  // namespace ilora
