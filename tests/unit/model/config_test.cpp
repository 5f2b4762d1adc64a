// What a model's file says of it, whatever its family: sizes, and who reads it.
#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "model/families/family.h"
#include "tests/unit/base/temporary_folder.h"
#include "tests/unit/model/model_on_disk.h"
#include "tests/unit/model/told.h"

namespace ilora {
namespace {

using test::GgufModel;
using test::told;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string told_of(const GgufModel& model) {
  const std::string content = model.bytes();
  return told([&] {
    config_from_gguf(GgufFile::from_bytes(test::as_bytes(content), "x.gguf"), model_families());
  });
}

TEST(ConfigFromGguf, SizesBeyondMeasureAreDamage) {
  EXPECT_EQ(told_of({}), "nothing");
  for (const double width : {576460752303423488.0, 16777214.0})
    EXPECT_THAT(told_of({.numbers = {{".attention.key_length", width}}}), HasSubstr("at most"));
  EXPECT_THAT(told_of({.numbers = {{".attention.head_count_kv", 3}}}), HasSubstr("divide"));
}

TEST(ConfigFromGguf, NamesWhatItReadsWhereItReadsNothing) {
  EXPECT_THAT(told_of({.architecture = "mamba"}),
              AllOf(HasSubstr("architecture 'mamba'"), HasSubstr("x.gguf"),
                    HasSubstr("llama (Llama), qwen2 (Qwen2)")));
  EXPECT_THAT(told_of({.architecture = "qwen3moe"}),
              HasSubstr("architecture 'qwen3moe', a mixture of experts is not supported"));
}

class ConfigFromFolder : public ::testing::Test {
 protected:
  std::string told_of(const Json& json) {
    write_json(folder_ / "config.json", json);
    return told([&] { config_from_folder(folder_ / ".", model_families()); });
  }

  TemporaryFolder folder_;
  Json json_ = read_json(ILORA_SOURCE_DIR "/tests/data/tiny-model/config.json");
};

TEST_F(ConfigFromFolder, NamesFileAndKeyOfWhatIsWrong) {
  EXPECT_EQ(told_of(json_), "nothing");
  EXPECT_THAT(told_of(Json::array()), HasSubstr("config.json"));
  json_["model_type"] = "mamba";
  EXPECT_THAT(told_of(json_), AllOf(HasSubstr("model_type 'mamba'"), HasSubstr("config.json"),
                                    HasSubstr("llama (Llama), mistral (Mistral), qwen2 (Qwen2)")));
  json_["model_type"] = "llama";
  json_["hidden_size"] = "32";
  EXPECT_THAT(told_of(json_), AllOf(HasSubstr("whole number for hidden_size, got \"32\""),
                                    HasSubstr("config.json")));
  json_.erase("hidden_size");
  EXPECT_THAT(told_of(json_), HasSubstr("hidden_size, got none"));
}

TEST_F(ConfigFromFolder, SizesBeyondMeasureAreDamage) {
  json_["max_position_embeddings"] = int64_t{1} << 59;
  EXPECT_THAT(told_of(json_), HasSubstr("at most"));
  json_["max_position_embeddings"] = 128;
  json_["num_hidden_layers"] = int64_t{1} << 40;
  EXPECT_THAT(told_of(json_), HasSubstr("at most"));
}

TEST_F(ConfigFromFolder, NullIsAsIfTheKeyWereAbsent) {
  json_["num_key_value_heads"] = nullptr;
  json_["head_dim"] = nullptr;
  json_["rope_parameters"] = nullptr;
  write_json(folder_ / "config.json", json_);
  const ModelConfig config = config_from_folder(folder_ / ".", model_families());
  EXPECT_EQ(config.kv_heads, config.heads);
  EXPECT_EQ(config.head_dim, config.width / config.heads);
  EXPECT_EQ(config.rotary.front().base, 10000.0);
}

}  // namespace
}  // namespace ilora
