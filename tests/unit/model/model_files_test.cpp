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
       {"blk.1.attn_q.bias", "blk.0.attn_q_norm.weight", "blk.1.ffn_up.weight", "output.bias",
        "rope_factors_long.weight", "blk.0.attn_qkv.weight", "blk.0.post_attention_norm.weight"}) {
    EXPECT_THAT(told_of({.tensors = {{name, {8}}}}), AllOf(HasSubstr(name), HasSubstr("x.gguf")));
  }
  EXPECT_EQ(told_of({.tensors = {{"rope_freqs.weight", {2}}}}), "nothing");
}

// As llama.cpp has it: where a Llama's file has biases, they count.
TEST_F(OpenGguf, ALlamaHasTheBiasesOfItsFile) {
  write_file_atomic(
      folder_ / "x.gguf",
      GgufModel{.tensors = {{"blk.0.attn_q.bias", {8}}, {"blk.0.ffn_down.bias", {8}}}}.bytes());
  const ModelFiles files(folder_ / "x.gguf");
  for (const Module m : kAllModules) {
    EXPECT_EQ(files.config().block(0).bias[static_cast<size_t>(m)],
              m == Module::kQuery || m == Module::kDown);
  }
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

// As transformers saves a model without its head, and text models beside others.
TEST_F(OpenFolder, FindsNamesWithOtherBeginnings) {
  const std::map<std::string, test::Values> plain = model_.tensors;
  const auto with_beginning = [&](const std::string& body) {
    model_.tensors.clear();
    for (const auto& [name, values] : plain) model_.tensors[body + name.substr(6)] = values;
  };
  with_beginning("");
  EXPECT_EQ(told_of(), "nothing");
  model_.tensors["vision_tower.patch.weight"] = {{2}, {1, 2}};
  EXPECT_THAT(told_of(), HasSubstr("vision_tower.patch.weight"));
  const Json text = model_.config;
  model_.config = {{"model_type", "pictures"}, {"text_config", text}};
  for (const char* body : {"language_model.model.", "model.language_model."}) {
    with_beginning(body);
    for (const char* name : {"vision_tower.a.weight", "vision_tower.b.weight", "projector.weight"})
      model_.tensors[name] = {{2}, {1, 2}};
    EXPECT_EQ(told_of(), "nothing") << body;
    EXPECT_EQ(ModelFiles(folder_ / "model").left_out(), "\"projector\" (1), \"vision_tower\" (2)");
    model_.tensors[std::string(body) + "layers.0.self_attn.q_norm.weight"] = {{2}, {1, 2}};
    EXPECT_THAT(told_of(), HasSubstr("q_norm"));
  }
}

// What belongs to the whole folder counts for the text model.
TEST_F(OpenFolder, ReadsTextConfig) {
  Json text = model_.config;
  text.erase("tie_word_embeddings");
  model_.config = {{"model_type", "pictures"}, {"text_config", text}};
  model_.config["tie_word_embeddings"] = true;
  EXPECT_EQ(told_of(), "nothing");
  model_.config["tie_word_embeddings"] = false;
  EXPECT_THAT(told_of(), HasSubstr("lm_head.weight"));
  model_.config["text_config"]["tie_word_embeddings"] = true;
  EXPECT_EQ(told_of(), "nothing");
  model_.config["quantization_config"] = {{"quant_method", "awq"}};
  EXPECT_THAT(told_of(), HasSubstr("awq"));
  model_.config.erase("quantization_config");
  model_.config["text_config"].erase("model_type");
  EXPECT_THAT(told_of(), HasSubstr("model_type"));
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
