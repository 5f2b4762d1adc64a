// PEFT folders whose maps are named, chosen, ranked and scaled in all the ways that PEFT has.
#include "model/peft_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "model/model_files.h"
#include "model/peft.h"
#include "tests/model_fixture.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using ::testing::ElementsAre;
using testing::golden_folder;
using ::testing::HasSubstr;

// A folder as PEFT would have saved it for the tiny Llama: two layers, D 32, K*Dh 16. All of A is 1,
// all of B is 2.
class PeftConfigFile : public ::testing::Test {
 protected:
  void add(const std::string& map, int64_t rank, int64_t in = 32, int64_t out = 32) {
    const std::string name = "base_model.model.model.layers." + map;
    values_[name + ".lora_A.weight"] = {{rank, in}, std::vector<float>(rank * in, 1.0f)};
    values_[name + ".lora_B.weight"] = {{out, rank}, std::vector<float>(out * rank, 2.0f)};
  }
  void write() const {
    make_folder(path_);
    write_json(path_ / "adapter_config.json", config_);
    std::vector<StoredTensor> tensors;
    for (const auto& [name, value] : values_)
      tensors.push_back(
          stored_view<float>(name, value.first, std::span<const float>(value.second)));
    write_safetensors(path_ / "adapter_model.safetensors", tensors);
  }
  Adapter load() const {
    write();
    const LoraOptions options = load_peft_options(path_);
    Adapter adapter = load_peft(path_, model_);
    EXPECT_EQ(options.rank, adapter.options().rank);
    EXPECT_EQ(options.alpha, adapter.options().alpha);
    EXPECT_EQ(options.targets, adapter.options().targets);
    return adapter;
  }
  std::string problem() const {
    write();
    return message_of([&] { load_peft(path_, model_); });
  }
  // Element 0 of row `rank` of A, or of B transposed.
  static float at(const Adapter& adapter, int64_t layer, Module module, int64_t rank, bool a) {
    const LoraBlock& b = *adapter.layout().find(layer, module);
    return adapter.values().ptr<float>()[a ? b.offset_a + rank * b.in : b.offset_bt + rank * b.out];
  }

  const ModelFiles files_{golden_folder("tiny-llama/model")};
  const ModelConfig& model_ = files_.config();
  const TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "adapter";
  Json config_ = {
      {"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 4}, {"target_modules", {"q_proj"}}};
  std::map<std::string, std::pair<std::vector<int64_t>, std::vector<float>>> values_;
};

TEST_F(PeftConfigFile, RanksAndScalesOfSomeMaps) {
  config_["target_modules"] = {"q_proj", "o_proj"};
  config_["rank_pattern"] = {{"o_proj", 4}};
  config_["alpha_pattern"] = {{"layers.1.self_attn.q_proj", 12}, {"q_proj", 2}};
  for (const char* layer : {"0", "1"}) {
    add(std::string(layer) + ".self_attn.q_proj", 2);
    add(std::string(layer) + ".self_attn.o_proj", 4);
  }
  const Adapter adapter = load();
  EXPECT_EQ(adapter.options().rank, 4);
  EXPECT_EQ(adapter.scaling(), 2.0);                           // of a map without a pattern
  EXPECT_EQ(at(adapter, 0, Module::kQuery, 0, false), 1.0f);   // 2/2 in place of 2
  EXPECT_EQ(at(adapter, 1, Module::kQuery, 0, false), 6.0f);   // the first that matches: 12/2
  EXPECT_EQ(at(adapter, 1, Module::kOutput, 0, false), 1.0f);  // 4/4
  EXPECT_EQ(at(adapter, 1, Module::kQuery, 1, true), 1.0f);
  EXPECT_EQ(at(adapter, 1, Module::kQuery, 2, true), 0.0f);  // filled up
  EXPECT_EQ(at(adapter, 1, Module::kOutput, 3, true), 1.0f);
}

TEST_F(PeftConfigFile, ScalesByTheRootOfEachRank) {
  config_["use_rslora"] = true;
  config_["rank_pattern"] = {{"^model.layers.1.self_attn.q_proj", 8}};
  add("0.self_attn.q_proj", 2);
  add("1.self_attn.q_proj", 8);
  const Adapter adapter = load();
  EXPECT_EQ(adapter.options().rank, 8);
  const double b = at(adapter, 0, Module::kQuery, 0, false);
  EXPECT_NEAR(b * adapter.scaling(), 2 * 4 / std::sqrt(2), 1e-6);
  EXPECT_NEAR(at(adapter, 1, Module::kQuery, 0, false) * adapter.scaling(), 2 * 4 / std::sqrt(8),
              1e-6);
}

TEST_F(PeftConfigFile, SomeLayers) {
  config_["layers_to_transform"] = {1};
  add("1.self_attn.q_proj", 2);
  Adapter adapter = load();
  EXPECT_EQ(at(adapter, 0, Module::kQuery, 0, true), 0.0f);
  EXPECT_EQ(at(adapter, 1, Module::kQuery, 0, true), 1.0f);
  config_["layers_to_transform"] = 1;
  config_["layers_pattern"] = "layers";
  EXPECT_EQ(at(load(), 1, Module::kQuery, 0, true), 1.0f);
  config_["layers_pattern"] = "h";
  EXPECT_THAT(problem(), HasSubstr("layers_pattern"));
  config_["layers_pattern"] = nullptr;
  config_["layers_to_transform"] = {0, 1};
  EXPECT_THAT(problem(), HasSubstr("layers.0.self_attn.q_proj.lora_A"));
  config_["layers_to_transform"] = {0};
  EXPECT_THAT(problem(), HasSubstr("layers.0"));
}

TEST_F(PeftConfigFile, ModulesByExpressionPathOrAll) {
  add("0.self_attn.q_proj", 2);
  add("1.mlp.down_proj", 2, 64, 32);
  for (const Json& targets :
       {Json(".*(0.self_attn.q|1.mlp.down)_proj"),
        Json({"model.layers.0.self_attn.q_proj", "layers.1.mlp.down_proj"})}) {
    config_["target_modules"] = targets;
    const Adapter adapter = load();
    EXPECT_THAT(adapter.options().targets, ElementsAre("q_proj", "down_proj"));
    EXPECT_EQ(at(adapter, 0, Module::kQuery, 0, true), 1.0f);
    EXPECT_EQ(at(adapter, 1, Module::kQuery, 0, true), 0.0f);
    EXPECT_EQ(at(adapter, 1, Module::kDown, 0, true), 1.0f);
  }
  config_["target_modules"] = "all-linear";
  EXPECT_THAT(problem(), HasSubstr("layers.0.self_attn.k_proj.lora_A"));
  config_["exclude_modules"] = ".*(0.mlp|1.self_attn).*";
  EXPECT_THAT(problem(), Not(HasSubstr("down_proj.lora_A")));
  config_["target_modules"] = {"q_proj", "down_proj"};
  EXPECT_THAT(load().options().targets, ElementsAre("q_proj", "down_proj"));
  config_["exclude_modules"] = {"layers.0.mlp.down_proj", "layers.1.self_attn.q_proj"};
  EXPECT_THAT(load().options().targets, ElementsAre("q_proj", "down_proj"));
  config_["exclude_modules"] = nullptr;
  config_["target_modules"] = "(?<=a).*q_proj";
  EXPECT_THAT(problem(), HasSubstr("regular expression"));
  config_["target_modules"] = ".*v_proj";
  EXPECT_THAT(problem(), HasSubstr("v_proj.lora_A"));
}

TEST_F(PeftConfigFile, AllMapsOfTheModel) {
  config_["target_modules"] = "All-Linear";
  for (const char* layer : {"0.", "1."}) {
    const std::string l = layer;
    add(l + "self_attn.q_proj", 2);
    add(l + "self_attn.k_proj", 2, 32, 16);
    add(l + "self_attn.v_proj", 2, 32, 16);
    add(l + "self_attn.o_proj", 2);
    add(l + "mlp.gate_proj", 2, 32, 64);
    add(l + "mlp.up_proj", 2, 32, 64);
    add(l + "mlp.down_proj", 2, 64, 32);
  }
  EXPECT_EQ(load().options().targets.size(), 7U);
}

TEST_F(PeftConfigFile, RefusesByName) {
  add("0.self_attn.q_proj", 2);
  add("1.self_attn.q_proj", 2);
  EXPECT_NO_THROW(load());
  const auto with = [&](const char* key, const Json& value) {
    const Json before = config_;
    config_[key] = value;
    const std::string message = problem();
    config_ = before;
    return message;
  };
  EXPECT_THAT(with("use_dora", true), HasSubstr("DoRA"));
  EXPECT_THAT(with("kasa_config", {{"beta", 1}}), HasSubstr("kasa_config"));
  EXPECT_THAT(with("a_later_option", 3), HasSubstr("a_later_option"));
  EXPECT_THAT(with("target_parameters", {"experts.weight"}), HasSubstr("target_parameters"));
  EXPECT_THAT(with("rank_pattern", {{"q_proj", -1}}),
              HasSubstr("positive numbers in rank_pattern"));
  EXPECT_THAT(with("rank_pattern", {{"q_proj", 3}}), HasSubstr("expected shape (3, 32)"));
  EXPECT_THAT(with("rank_pattern", {{"q_(", 3}}), HasSubstr("regular expression"));
  EXPECT_THAT(with("target_modules", 3), HasSubstr("target_modules"));
  EXPECT_THAT(with("target_modules", nullptr), HasSubstr("target_modules, got none"));
  EXPECT_THAT(with("lora_alpha", nullptr), HasSubstr("a number as lora_alpha, got null"));
  EXPECT_THAT(with("r", "2"), HasSubstr("a number as r, got \"2\""));
  EXPECT_THAT(with("r", 0), HasSubstr("a positive r, got 0"));
  EXPECT_THAT(with("use_rslora", 1), HasSubstr("true or false as use_rslora, got 1"));
  EXPECT_THAT(with("lora_dropout", 2), HasSubstr("a probability as lora_dropout, got 2"));
}

// The defaults are those of PEFT's LoraConfig.
TEST_F(PeftConfigFile, TakesPeftsDefaultsForKeysThatAreMissing) {
  add("0.self_attn.q_proj", 8);
  add("1.self_attn.q_proj", 8);
  config_ = {{"target_modules", {"q_proj"}}, {"use_rslora", nullptr}};
  const Adapter adapter = load();
  EXPECT_EQ(adapter.options().rank, 8);
  EXPECT_EQ(adapter.options().alpha, 8);
  EXPECT_FALSE(adapter.options().rslora);
}

TEST_F(PeftConfigFile, SaysWhatToDoWithAPickle) {
  write();
  std::filesystem::rename(path_ / "adapter_model.safetensors", path_ / "adapter_model.bin");
  EXPECT_THAT(message_of([&] { load_peft(path_, model_); }), HasSubstr("save_pretrained"));
}

}  // namespace
}  // namespace ilora
