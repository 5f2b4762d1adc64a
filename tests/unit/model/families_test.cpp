// What each family's reader makes of its files, what it refuses, and that a family is a table entry:
// one made here is read, computed and exchanged with PEFT like those of the table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "base/json.h"
#include "kernels/kernels.h"
#include "model/families/common.h"
#include "model/peft.h"
#include "tests/model_fixture.h"
#include "tests/unit/base/temporary_folder.h"
#include "tests/unit/model/model_on_disk.h"
#include "tests/unit/model/told.h"

namespace ilora {
namespace {

using test::GgufModel;
using test::told;
using ::testing::AllOf;
using testing::golden_folder;
using ::testing::HasSubstr;
using testing::TestModel;

ModelConfig config_of(const GgufModel& model) {
  const std::string content = model.bytes();
  return config_from_gguf(GgufFile::from_bytes(test::as_bytes(content), "x.gguf"),
                          model_families());
}
std::string told_of(const GgufModel& model) {
  return told([&] { config_of(model); });
}

TEST(Families, AreToldApart) {
  std::set<std::string_view> names, types, architectures;
  for (const ModelFamily* family : model_families()) {
    EXPECT_TRUE(names.insert(family->name).second) << family->name;
    EXPECT_EQ(family->model_type.empty(), family->from_folder == nullptr) << family->name;
    EXPECT_EQ(family->architecture.empty(), family->from_gguf == nullptr) << family->name;
    if (!family->model_type.empty()) {
      EXPECT_TRUE(types.insert(family->model_type).second) << family->name;
    }
    if (!family->architecture.empty()) {
      EXPECT_TRUE(architectures.insert(family->architecture).second) << family->name;
    }
  }
}

TEST(FamiliesFromGguf, RefuseWhatTheyWouldComputeOtherwise) {
  EXPECT_EQ(told_of({}), "nothing");
  EXPECT_EQ(told_of({.numbers = {{".rope.scaling.factor", 1}}}), "nothing");
  EXPECT_THAT(told_of({.numbers = {{".attention.sliding_window", 16}}}),
              HasSubstr("attention.sliding_window"));
  EXPECT_THAT(told_of({.numbers = {{".attention.value_length", 2}}}), HasSubstr("values"));
  EXPECT_THAT(told_of({.numbers = {{".rope.dimension_count", 2}}}), HasSubstr("2 of 4 columns"));
  EXPECT_THAT(told_of({.numbers = {{".expert_count", 8}}}), HasSubstr("experts"));
  EXPECT_THAT(told_of({.switches = {{".attention.causal", false}}}), HasSubstr("causal"));
  EXPECT_EQ(told_of({.switches = {{".attention.causal", true}}}), "nothing");
}

TEST(FamiliesFromGguf, AFactorAloneScalesLinearly) {
  for (const char* key : {".rope.scaling.factor", ".rope.scale_linear"}) {
    EXPECT_EQ(config_of({.numbers = {{key, 2.5}}}).rotary.front().divisors,
              (std::vector<float>{2.5f, 2.5f}));
  }
  EXPECT_THAT(
      told_of({.numbers = {{".rope.scaling.factor", 4}}, .tensors = {{"rope_freqs.weight", {2}}}}),
      HasSubstr("beside another rope scaling"));
}

TEST(FamiliesFromGguf, RotaryDivisorsAreATensor) {
  EXPECT_EQ(config_of({.tensors = {{"rope_freqs.weight", {2}}}}).rotary.front().divisors.size(),
            2U);
  EXPECT_THAT(told_of({.tensors = {{"rope_freqs.weight", {3}}}}), HasSubstr("rope_freqs.weight"));
}

TEST(Qwen2FromGguf, HasBiasesAndRowsInOrder) {
  const ModelConfig qwen2 = config_of({.architecture = "qwen2"}), llama = config_of({});
  for (const Module m : kAllModules) {
    const auto i = static_cast<size_t>(m);
    EXPECT_EQ(qwen2.block(0).bias[i], m <= Module::kValue) << module_name(m);
    EXPECT_FALSE(llama.block(0).bias[i]) << module_name(m);
  }
  EXPECT_FALSE(qwen2.names.interleaved_in_gguf);
  EXPECT_TRUE(llama.names.interleaved_in_gguf);
}

class FamiliesFromFolder : public ::testing::Test {
 protected:
  ModelConfig config() {
    write_json(folder_ / "config.json", json_);
    return config_from_folder(folder_ / ".", model_families());
  }
  std::string told_of() {
    return told([&] { config(); });
  }
  std::vector<int64_t> windows() {
    std::vector<int64_t> windows;
    for (const BlockConfig& block : config().blocks) windows.push_back(block.window);
    return windows;
  }

  TemporaryFolder folder_;
  Json json_ = read_json(ILORA_SOURCE_DIR "/tests/data/tiny-model/config.json");  // two layers
};

TEST_F(FamiliesFromFolder, RefuseWhatTheyWouldComputeOtherwise) {
  const auto refused = [&](const char* key, const Json& value, const char* expected) {
    const Json kept = json_;
    json_[key] = value;
    EXPECT_THAT(told_of(), AllOf(HasSubstr(expected), HasSubstr("config.json"))) << key;
    json_ = kept;
  };
  refused("hidden_act", "gelu", "activation 'gelu'");
  refused("is_causal", false, "is_causal");
  refused("partial_rotary_factor", 0.5, "4 of 8 columns");
  refused("rope_parameters", {{"rope_type", "spiral"}, {"factor", 4.0}}, "'spiral'");
  refused("rope_parameters", {{"rope_type", "linear"}}, "rope_parameters.factor");
  refused("rope_parameters", {{"rope_type", "linear"}, {"factor", 0.0}}, "positive factor");
  refused("rope_parameters", {{"rope_type", "longrope"}, {"short_factor", {1.0}}}, "short_factor");
  refused("quantization_config", {{"quant_method", "awq"}, {"bits", 4}},
          "quantization_config: awq");
  refused("layer_types", {"full_attention"}, "2 layer_types");
  refused("layer_types", {"full_attention", "sliding_attention"}, "'sliding_attention'");
  refused("layer_types", {"full_attention", "linear_attention"}, "'linear_attention'");
  refused("use_bidirectional_attention", true, "use_bidirectional_attention");
  refused("rope_parameters", {{"rope_type", "llama3"}, {"factor", 8.0}},
          "rope_parameters.low_freq_factor");
  refused("rope_parameters", {{"full_attention", {{"rope_theta", 1e4}}}}, "type of layer");
  refused("rope_parameters", {{"rope_theta", 0.0}}, "rope base");
}

// transformers 5.24, convert_rope_params_to_dict: `rope_scaling or rope_parameters`, whole.
TEST_F(FamiliesFromFolder, RopeScalingWinsOverRopeParameters) {
  json_["rope_theta"] = 5000.0;
  json_["rope_parameters"] = {{"rope_type", "spiral"}, {"rope_theta", 1e6}};
  json_["rope_scaling"] = {{"rope_type", "default"}};
  EXPECT_EQ(config().rotary.front().base, 5000.0);
  for (const Json& nothing : {Json(), Json::object()}) {
    json_["rope_scaling"] = nothing;
    EXPECT_THAT(told_of(), HasSubstr("'spiral'"));
  }
  json_["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 1e6}};
  EXPECT_EQ(config().rotary.front().base, 1e6);
}

TEST_F(FamiliesFromFolder, Llama3ScalingTakesItsContextFromTheModel) {
  json_["rope_scaling"] = {
      {"type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}};
  const std::vector<float> got = config().rotary.front().divisors;
  json_["rope_scaling"]["original_max_position_embeddings"] = 128;  // the model's context
  EXPECT_EQ(got, config().rotary.front().divisors);
  EXPECT_GT(got.back(), 1.0f);
  json_["rope_scaling"]["original_max_position_embeddings"] = 1 << 20;
  EXPECT_NE(got, config().rotary.front().divisors);
}

TEST_F(FamiliesFromFolder, MistralHasAWindowUnlessItSaysNull) {
  json_["model_type"] = "mistral";
  EXPECT_EQ(windows(), (std::vector<int64_t>{4096, 4096}));
  json_["sliding_window"] = 64;
  EXPECT_EQ(windows(), (std::vector<int64_t>{64, 64}));
  json_["sliding_window"] = nullptr;
  EXPECT_EQ(windows(), (std::vector<int64_t>{0, 0}));
  json_["layer_types"] = {"full_attention", "sliding_attention"};
  EXPECT_THAT(told_of(), HasSubstr("layer_types of a Mistral"));
}

TEST_F(FamiliesFromFolder, LongRopeShortensTheContext) {
  json_["model_type"] = "phi3";
  json_["max_position_embeddings"] = 131072;
  json_["original_max_position_embeddings"] = 4096;
  json_["rope_parameters"] = {{"type", "longrope"},
                              {"short_factor", {1.0, 1.5, 2.0, 2.5}},
                              {"long_factor", {3.0, 4.0, 5.0, 6.0}}};
  const ModelConfig read = config();
  EXPECT_EQ(read.context, 4096);
  EXPECT_EQ(read.rotary.front().divisors, (std::vector<float>{1.0f, 1.5f, 2.0f, 2.5f}));
  EXPECT_NEAR(read.rotary.front().magnitude, std::sqrt(1 + std::log(32) / std::log(4096)), 1e-12);
  EXPECT_TRUE(read.maps.joined_attention && read.maps.joined_feed_forward);
}

TEST_F(FamiliesFromFolder, SmolLm3SaysWhichLayersTurn) {
  json_["model_type"] = "smollm3";
  const auto turns = [&] {
    std::vector<int> rotary;
    for (const BlockConfig& block : config().blocks) rotary.push_back(block.rotary);
    return rotary;
  };
  EXPECT_EQ(turns(), (std::vector<int>{0, 0}));
  json_["no_rope_layer_interval"] = 2;
  EXPECT_EQ(turns(), (std::vector<int>{0, -1}));
  json_["no_rope_layers"] = {0, 1};
  EXPECT_EQ(turns(), (std::vector<int>{-1, 0}));
  json_["use_sliding_window"] = true;
  json_["sliding_window"] = 8;
  EXPECT_EQ(windows(), (std::vector<int64_t>{8, 0}));
}

TEST_F(FamiliesFromFolder, Gemma3TakesItsBasesFromEitherSpelling) {
  json_["model_type"] = "gemma3_text";
  json_["hidden_act"] = "gelu";  // what counts is hidden_activation
  json_["sliding_window"] = 16;
  json_["sliding_window_pattern"] = 2;
  json_["rope_parameters"] = {
      {"full_attention", {{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 5e5}}},
      {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 300.0}}}};
  const auto expect = [&](double global, double local, float divisor) {
    const ModelConfig read = config();
    EXPECT_EQ(read.block(0).window, 16);
    EXPECT_EQ(read.block(0).rotary, 1);
    EXPECT_EQ(read.block(1).window, 0);
    EXPECT_EQ(read.block(1).rotary, 0);
    EXPECT_EQ(read.rotary[0].base, global);
    EXPECT_EQ(read.rotary[1].base, local);
    EXPECT_EQ(read.rotary[0].divisors.empty() ? 1.0f : read.rotary[0].divisors[0], divisor);
    EXPECT_TRUE(read.rotary[1].divisors.empty());
  };
  expect(5e5, 300.0, 8.0f);
  json_.erase("rope_parameters");
  expect(1e6, 1e4, 1.0f);
  json_["rope_theta"] = 2e6;
  json_["rope_local_base_freq"] = 400.0;
  json_["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 4.0}};
  expect(2e6, 400.0, 4.0f);
  json_["hidden_activation"] = "relu";
  EXPECT_THAT(told_of(), HasSubstr("'relu'"));
}

TEST_F(FamiliesFromFolder, Qwen2SaysWhichLayersHaveAWindow) {
  json_["model_type"] = "qwen2";
  json_["sliding_window"] = 64;  // as its files have it, unused
  json_["use_sliding_window"] = false;
  EXPECT_EQ(windows(), (std::vector<int64_t>{0, 0}));
  json_["use_sliding_window"] = true;
  json_["max_window_layers"] = 1;
  EXPECT_EQ(windows(), (std::vector<int64_t>{0, 64}));
  json_["layer_types"] = {"sliding_attention", "full_attention"};
  EXPECT_EQ(windows(), (std::vector<int64_t>{64, 0}));
}

// Opens a golden model's configuration after a change; what it says.
std::string told_of_folder(const char* name, const std::function<void(Json&)>& change) {
  const TemporaryFolder folder;
  Json json = read_json(golden_folder(std::string("families/") + name) / "model/config.json");
  change(json);
  write_json(folder / "config.json", json);
  return told([&] { config_from_folder(folder / ".", model_families()); });
}

// As others than transformers write it: the heads of layers that see all in two keys.
TEST(FamiliesFromFolders, Gemma4SaysItsHeadsInEitherSpelling) {
  const Json json = read_json(golden_folder("families/gemma4") / "model/config.json");
  Json spelled = json;
  spelled.erase("per_layer_config");
  spelled["global_head_dim"] = 12;
  spelled["num_global_key_value_heads"] = 1;
  for (const Json& written : {json, spelled}) {
    const TemporaryFolder folder;
    write_json(folder / "config.json", written);
    const ModelConfig read = config_from_folder(folder / ".", model_families());
    EXPECT_EQ(read.head_dim_of(0), 8);
    EXPECT_EQ(read.kv_width(0), 16);
    EXPECT_EQ(read.head_dim_of(1), 12);
    EXPECT_EQ(read.kv_width(1), 12);
    EXPECT_EQ(read.query_width(), 48);
    EXPECT_EQ(read.kv_width(), 16);
    EXPECT_FALSE(read.equal_heads());
    EXPECT_TRUE(read.has(0, Module::kValue));
    EXPECT_FALSE(read.has(1, Module::kValue));
    EXPECT_EQ(module_shape(read, 1, Module::kOutput), (std::array<int64_t, 2>{48, 16}));
    EXPECT_EQ(read.gemm_parameters(1), 16 * (48 + 12) + 16 * 48 + 3 * 16 * 24);
  }
}

TEST(FamiliesFromFolders, RefuseByNameWhatTheyDoNotCompute) {
  struct Refused {
    const char* folder;
    const char* key;
    Json value;
    const char* named;
  };
  const Refused refused[] = {
      {"cohere", "use_qk_norm", true, "use_qk_norm"},
      {"cohere2", "sliding_window", nullptr, "sliding window"},
      {"stablelm", "qk_layernorm", true, "qk_layernorm"},
      {"stablelm", "hidden_act", "gelu", "'gelu'"},
      {"starcoder2", "hidden_act", "silu", "'silu'"},
      {"starcoder2", "layer_types", {"full_attention", "full_attention"}, "layer_types"},
      {"ministral3", "rope_parameters", nullptr, "rope_parameters"},
      {"ministral3", "layer_types", {"full_attention", "full_attention"}, "layer_types"},
      {"ministral", "attention_bias", true, "attention_bias"},
      {"olmo3", "rope_parameters", {{"rope_theta", 5e5}}, "by type of layer"},
      {"olmo3", "rope_scaling", {{"rope_type", "yarn"}, {"factor", 8.0}}, "rope_scaling"},
      {"glm4", "mlp_bias", true, "mlp_bias"},
      {"gemma4", "hidden_size_per_layer_input", 8, "embeddings of each layer"},
      {"gemma4", "num_kv_shared_layers", 1, "another one's keys"},
      {"gemma4", "enable_moe_block", true, "experts"},
      {"gemma4", "use_bidirectional_attention", "all", "use_bidirectional_attention: all"},
      {"gemma4", "use_bidirectional_attention", "vision", "nothing"},
      {"gemma4", "rope_parameters", nullptr, "rope_parameters"},
      {"gemma4", "per_layer_config", {{"1", {{"sliding_window", 2}}}}, "'sliding_window'"},
      {"gemma4", "per_layer_config", {{"1", {{"head_dim", 6}}}}, "several widths"},
      {"exaone4", "sliding_window_pattern", 0, "nothing"}};  // layer_types go first
  for (const Refused& r : refused) {
    EXPECT_EQ(told_of_folder(r.folder, [](Json&) {}), "nothing") << r.folder;
    EXPECT_THAT(told_of_folder(r.folder, [&](Json& json) { json[r.key] = r.value; }),
                HasSubstr(r.named))
        << r.folder << " " << r.key;
  }
}

TEST(FamiliesFromGguf, PatternsOfWindows) {
  const GgufModel plain = {.architecture = "exaone4",
                           .numbers = {{".attention.sliding_window", 16}}};
  EXPECT_EQ(config_of(plain).block(0).window, 16);
  GgufModel every = plain;
  every.numbers.push_back({".attention.sliding_window_pattern", 1});
  EXPECT_EQ(config_of(every).block(0).window, 0);
  EXPECT_EQ(config_of(every).block(0).rotary, -1);  // where others look back, it turns nothing
}

// A family of other names, which otherwise is a Llama.
constexpr ModelFamily kScratch = {.name = "Scratch",
                                  .model_type = "scratch",
                                  .names = {.embedding = {"transformer.wte", ""},
                                            .block = {"transformer.h", ""},
                                            .attention_norm = {"ln_1", ""},
                                            .linear = {{{"attn.q", ""},
                                                        {"attn.k", ""},
                                                        {"attn.v", ""},
                                                        {"attn.o", ""},
                                                        {"ffn.gate", ""},
                                                        {"ffn.up", ""},
                                                        {"ffn.down", ""}}}},
                                  .from_folder = read_decoder};

std::string renamed(std::string name) {
  const std::pair<const char*, const char*> names[] = {{"model.embed_tokens", "transformer.wte"},
                                                       {"model.layers", "transformer.h"},
                                                       {"input_layernorm", "ln_1"},
                                                       {"self_attn.q_proj", "attn.q"},
                                                       {"self_attn.k_proj", "attn.k"},
                                                       {"self_attn.v_proj", "attn.v"},
                                                       {"self_attn.o_proj", "attn.o"},
                                                       {"mlp.gate_proj", "ffn.gate"},
                                                       {"mlp.up_proj", "ffn.up"},
                                                       {"mlp.down_proj", "ffn.down"}};
  for (const auto& [from, to] : names) {
    if (const size_t at = name.find(from); at != name.npos)
      name.replace(at, std::string(from).size(), to);
  }
  return name;
}

std::vector<float> logits_of(TestModel& model, const Adapter& adapter) {
  std::vector<float> logits;
  const std::vector<int32_t> tokens = {3, 14, 15, 92, 65};
  model.engine.all_logits(tokens, {{&adapter, 1.0, {}}}, [&](size_t, std::span<const float> row) {
    logits.insert(logits.end(), row.begin(), row.end());
  });
  return logits;
}

TEST(AnotherFamily, IsReadAndComputedThroughATableOfItsOwn) {
  TemporaryFolder folder;
  const std::filesystem::path source = golden_folder("tiny-llama/model");
  test::FolderModel model(source);
  model.config["model_type"] = "scratch";
  std::map<std::string, test::Values> tensors;
  for (auto& [name, values] : model.tensors) tensors[renamed(name)] = values;
  model.tensors = tensors;
  model.write(folder / "model");
  EXPECT_THAT(told([&] { ModelFiles files(folder / "model"); }), HasSubstr("'scratch'"));

  const ModelFamily* families[] = {&kScratch};
  const Kernels& kernels = reference_kernels(DType::kF32);
  TestModel llama(source, kernels, DType::kF32);
  TestModel scratch(folder / "model", kernels, DType::kF32, {}, WeightStorage::kExpanded, families);
  LoraOptions options;
  options.targets = {"q_proj", "down_proj"};
  Adapter adapter(scratch.files.config(), options);
  for (int64_t i = 0; i < adapter.layout().size(); ++i)
    adapter.values().ptr<float>()[i] = 0.01f * static_cast<float>(i % 17 - 8);
  const std::vector<float> expected = logits_of(llama, adapter);
  EXPECT_EQ(logits_of(scratch, adapter), expected);

  save_peft(folder / "adapter", adapter, "scratch");
  const SafetensorsFile saved(folder / "adapter/adapter_model.safetensors");
  EXPECT_TRUE(saved.contains("base_model.model.transformer.h.1.attn.q.lora_A.weight"));
  EXPECT_TRUE(saved.contains("base_model.model.transformer.h.0.ffn.down.lora_B.weight"));
  EXPECT_EQ(logits_of(scratch, load_peft(folder / "adapter", scratch.files.config())), expected);
  EXPECT_THAT(told([&] { load_peft(folder / "adapter", llama.files.config()); }),
              HasSubstr("model.layers.0.self_attn.q_proj"));
}

}  // namespace
}  // namespace ilora
