// What a model's file says of it: read, or refused by name where ilora would compute something
// else.
#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "model/weights.h"
#include "tests/unit/base/temporary_folder.h"
#include "tests/unit/formats/bytes.h"

namespace ilora {
namespace {

using test::Builder;
using ::testing::HasSubstr;

template <class Work>
std::string told(Work&& work) {
  try {
    work();
  } catch (const Error& e) {
    return std::string(e.what()) + " " + e.hint();
  }
  return "nothing";
}

// A GGUF of a small Llama's metadata: `more` are further numbers, `tensor` one more tensor.
std::string llama_gguf(const std::vector<std::pair<std::string, double>>& more,
                       const std::string& tensor = {}) {
  std::vector<std::pair<std::string, double>> keys = {{"llama.block_count", 2},
                                                      {"llama.embedding_length", 8},
                                                      {"llama.attention.head_count", 2},
                                                      {"llama.feed_forward_length", 16},
                                                      {"llama.context_length", 32}};
  keys.insert(keys.end(), more.begin(), more.end());
  Builder b;
  b.header(3, tensor.empty() ? 1 : 2, keys.size() + 2);
  b.entry("general.architecture", 8).string("llama");
  b.entry("llama.attention.layer_norm_rms_epsilon", 6).number(1e-5f);
  for (const auto& [key, value] : keys) {
    if (value == std::floor(value)) {
      b.entry(key, 10).u64(static_cast<uint64_t>(value));
    } else {
      b.entry(key, 6).number(static_cast<float>(value));
    }
  }
  b.tensor("token_embd.weight", {8, 4}, 0, 0);
  if (!tensor.empty()) b.tensor(tensor, {8}, 0, 128);
  b.align(32);
  for (int i = 0; i < 40; ++i) b.number(0.0f);
  return b.out;
}

std::string told_of(const std::string& content) {
  return told([&] { config_from_gguf(GgufFile::from_bytes(test::as_bytes(content), "x.gguf")); });
}

TEST(ConfigFromGguf, RefusesWhatItWouldComputeOtherwise) {
  EXPECT_EQ(told_of(llama_gguf({})), "nothing");
  EXPECT_EQ(told_of(llama_gguf({{"llama.rope.scaling.factor", 1}})), "nothing");
  EXPECT_THAT(told_of(llama_gguf({{"llama.rope.scaling.factor", 4}})), HasSubstr("'linear'"));
  EXPECT_THAT(told_of(llama_gguf({{"llama.rope.scale_linear", 2.5}})), HasSubstr("'linear'"));
  EXPECT_THAT(told_of(llama_gguf({{"llama.expert_count", 8}})), HasSubstr("experts"));
  EXPECT_THAT(told_of(llama_gguf({{"split.count", 3}})), HasSubstr("--merge"));
  EXPECT_THAT(told_of(llama_gguf({}, "blk.0.attn_q.bias")), HasSubstr("blk.0.attn_q.bias"));
}

TEST(ConfigFromGguf, Qwen2HasBiasesOfQueriesKeysAndValues) {
  const auto qwen2 = [](const std::string& tensor) {
    std::string content = llama_gguf({}, tensor);
    for (size_t at = 0; (at = content.find("llama", at)) != content.npos;)
      content.replace(at, 5, "qwen2");
    return content;
  };
  for (const char* known : {"blk.0.attn_q.bias", "blk.1.attn_k.bias", "blk.0.attn_v.bias"})
    EXPECT_EQ(told_of(qwen2(known)), "nothing");
  for (const char* other : {"blk.0.attn_output.bias", "blk.0.ffn_up.bias", "output.bias"})
    EXPECT_THAT(told_of(qwen2(other)), HasSubstr(other));
}

TEST(ConfigFromGguf, SizesBeyondMeasureAreDamage) {
  EXPECT_THAT(told_of(llama_gguf({{"llama.attention.key_length", 576460752303423488.0}})),
              HasSubstr("at most"));
  EXPECT_THAT(told_of(llama_gguf({{"llama.attention.key_length", 16777214.0}})),
              HasSubstr("at most"));
}

class ConfigFromFolder : public ::testing::Test {
 protected:
  ConfigFromFolder() : json_(read_json(model() / "config.json")) {}
  static std::filesystem::path model() {
    return std::filesystem::path(ILORA_SOURCE_DIR) / "tests/data/tiny-model";
  }
  std::string told_of(const Json& json) {
    write_json(folder_ / "config.json", json);
    return told([&] { config_from_folder(folder_ / "."); });
  }

  TemporaryFolder folder_;
  Json json_;
};

TEST_F(ConfigFromFolder, TakesMistralWithoutASlidingWindow) {
  json_["model_type"] = "mistral";
  EXPECT_EQ(told_of(json_), "nothing");
  json_["sliding_window"] = nullptr;
  EXPECT_EQ(told_of(json_), "nothing");
  json_["sliding_window"] = 4096;
  EXPECT_THAT(told_of(json_), HasSubstr("mistral' with sliding windows"));
}

TEST_F(ConfigFromFolder, TakesQwen2WithoutSlidingWindows) {
  json_["model_type"] = "qwen2";
  json_["sliding_window"] = 4096;  // as its files have it, unused
  json_["use_sliding_window"] = false;
  write_json(folder_ / "config.json", json_);
  EXPECT_TRUE(config_from_folder(folder_ / ".").qkv_bias);
  json_["use_sliding_window"] = true;
  EXPECT_THAT(told_of(json_), HasSubstr("qwen2' with sliding windows"));
}

TEST_F(ConfigFromFolder, NamesTheFileOfWhatIsWrong) {
  EXPECT_THAT(told_of(Json::array()), HasSubstr("config.json"));
  json_["max_position_embeddings"] = int64_t{1} << 59;
  EXPECT_THAT(told_of(json_), HasSubstr("at most"));
}

TEST_F(ConfigFromFolder, ABiasAmongTheTensorsIsNotDropped) {
  write_json(folder_ / "config.json", json_);
  const std::vector<float> values(32);
  const std::vector<StoredTensor> tensors = {
      stored_view<float>("model.layers.0.self_attn.q_proj.bias", {32}, std::span(values))};
  write_safetensors(folder_ / "model.safetensors", tensors);
  EXPECT_THAT(told([&] { ModelFiles files(folder_ / "."); }), HasSubstr("q_proj.bias"));
}

}  // namespace
}  // namespace ilora
