// Opening a model finds all its tensors, and refuses by name what it would leave out.
#include "model/model_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/unit/base/temporary_folder.h"
#include "tests/unit/model/model_on_disk.h"
#include "tests/unit/model/told.h"

namespace ilora {
namespace {

using test::GgufModel;
using test::told;
using ::testing::AllOf;
using ::testing::HasSubstr;

class OpenGguf : public ::testing::Test {
 protected:
  std::string told_of(const GgufModel& model) {
    write_file_atomic(folder_ / "x.gguf", model.bytes());
    return told([&] { ModelFiles files(folder_ / "x.gguf"); });
  }
  TemporaryFolder folder_;
};

TEST_F(OpenGguf, RefusesTensorsThatTheModelHasNoPlaceFor) {
  EXPECT_EQ(told_of({}), "nothing");
  for (const char* name :
       {"blk.0.attn_q.bias", "blk.0.attn_q_norm.weight", "blk.1.ffn_up.weight", "output.bias",
        "rope_factors_long.weight", "blk.0.attn_qkv.weight", "blk.0.post_attention_norm.weight"}) {
    EXPECT_THAT(told_of({.tensors = {{name, {8}}}}), AllOf(HasSubstr(name), HasSubstr("x.gguf")));
  }
  EXPECT_EQ(told_of({.tensors = {{"rope_freqs.weight", {2}}}}), "nothing");
}

TEST_F(OpenGguf, Qwen2HasBiasesOfQueriesKeysAndValuesAlone) {
  const std::vector<std::pair<std::string, std::vector<uint64_t>>> biases = {
      {"blk.0.attn_q.bias", {8}}, {"blk.0.attn_k.bias", {8}}, {"blk.0.attn_v.bias", {8}}};
  EXPECT_THAT(told_of({.architecture = "qwen2"}), HasSubstr("blk.0.attn_q.bias"));
  EXPECT_EQ(told_of({.architecture = "qwen2", .tensors = biases}), "nothing");
  for (const char* other : {"blk.0.attn_output.bias", "blk.0.ffn_up.bias"}) {
    auto more = biases;
    more.push_back({other, {8}});
    EXPECT_THAT(told_of({.architecture = "qwen2", .tensors = more}), HasSubstr(other));
  }
}

TEST_F(OpenGguf, NamesATensorOfAnotherShape) {
  EXPECT_THAT(told_of({.numbers = {{".attention.head_count_kv", 1}}}),
              AllOf(HasSubstr("(4, 8)"), HasSubstr("blk.0.attn_k.weight"), HasSubstr("x.gguf")));
}

class OpenFolder : public ::testing::Test {
 protected:
  std::string told_of() {
    model_.write(folder_ / "model");
    return told([&] { ModelFiles files(folder_ / "model"); });
  }
  bool head_is_the_embedding() {
    model_.write(folder_ / "model");
    const ModelFiles files(folder_ / "model");
    return files.tensors().head == files.tensors().embedding;
  }
  TemporaryFolder folder_;
  test::FolderModel model_{ILORA_SOURCE_DIR "/tests/data/tiny-model"};  // tied, context 128
};

TEST_F(OpenFolder, RefusesTensorsThatTheModelHasNoPlaceFor) {
  EXPECT_EQ(told_of(), "nothing");
  const test::Values vector = {{32}, std::vector<float>(32)};
  model_.tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = vector;
  EXPECT_EQ(told_of(), "nothing");
  for (const char* name :
       {"model.layers.0.self_attn.q_proj.bias", "model.layers.1.self_attn.q_norm.weight"}) {
    model_.tensors[name] = vector;
    EXPECT_THAT(told_of(), HasSubstr(name));
    model_.tensors.erase(name);
  }
  model_.tensors.erase("model.norm.weight");
  EXPECT_THAT(told_of(), HasSubstr("model.norm.weight"));
}

// As transformers 5.24 does (tie_weights): tied only where the two are equal.
TEST_F(OpenFolder, AHeadInTheFileWinsOverATiedConfiguration) {
  EXPECT_TRUE(head_is_the_embedding());
  test::Values& head = model_.tensors["lm_head.weight"] =
      model_.tensors.at("model.embed_tokens.weight");
  EXPECT_TRUE(head_is_the_embedding());
  head.elements.back() += 1;
  EXPECT_FALSE(head_is_the_embedding());
  model_.config["tie_word_embeddings"] = false;
  EXPECT_FALSE(head_is_the_embedding());
  model_.tensors.erase("lm_head.weight");
  EXPECT_THAT(told_of(), HasSubstr("lm_head.weight"));
}

TEST_F(OpenFolder, AFamilyOfOtherNormsMissesThemByName) {
  model_.config["model_type"] = "qwen3";
  EXPECT_THAT(told_of(), HasSubstr("model.layers.0.self_attn.q_norm.weight"));
  model_.config["model_type"] = "olmo2";
  EXPECT_THAT(told_of(), HasSubstr("model.layers.0.post_feedforward_layernorm.weight"));
  model_.config["model_type"] = "phi3";
  EXPECT_THAT(told_of(), HasSubstr("model.layers.0.self_attn.qkv_proj.weight"));
}

}  // namespace
}  // namespace ilora
