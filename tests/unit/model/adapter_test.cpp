// Adapters: the layout of the flat vector, PEFT's initial distribution, PEFT folders and their
// errors.
#include "model/adapter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "model/peft.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using ::testing::HasSubstr;

ModelConfig small_model() {
  ModelConfig c;
  c.layers = 3;
  c.width = 32;
  c.heads = 4;
  c.kv_heads = 2;
  c.head_dim = 8;
  c.feed_forward = 64;
  c.vocabulary = 100;
  c.context = 64;
  return c;
}

TEST(Adapter, BlocksCoverTheVectorWithoutGapsOrOverlap) {
  LoraOptions options;
  options.rank = 4;
  options.targets = {"down_proj", "q_proj", "k_proj"};
  const AdapterLayout layout(small_model(), options);
  ASSERT_EQ(layout.blocks().size(), 9U);
  std::vector<int> owner(static_cast<size_t>(layout.size()));
  for (const LoraBlock& b : layout.blocks()) {
    EXPECT_EQ((std::array<int64_t, 2>{b.in, b.out}),
              module_shape(small_model(), b.layer, b.module));
    EXPECT_EQ(layout.find(b.layer, b.module), &b);
    for (int64_t i = 0; i < b.rank * b.in; ++i) ++owner[static_cast<size_t>(b.offset_a + i)];
    for (int64_t i = 0; i < b.rank * b.out; ++i) ++owner[static_cast<size_t>(b.offset_bt + i)];
  }
  for (const int count : owner) ASSERT_EQ(count, 1);
  EXPECT_EQ(layout.blocks()[0].name(), "layers.0.self_attn.q_proj");
  EXPECT_EQ(layout.find(2, Module::kValue), nullptr);
  EXPECT_EQ(layout.lowest_layer(), 0);
  EXPECT_EQ(module_shape(small_model(), 0, Module::kKey), (std::array<int64_t, 2>{32, 16}));
  EXPECT_EQ(module_shape(small_model(), 0, Module::kDown), (std::array<int64_t, 2>{64, 32}));
}

TEST(Adapter, StartsAsPeftDoes) {
  LoraOptions options;
  options.rank = 32;
  Adapter adapter(small_model(), options);
  adapter.initialise(3, 0);
  const auto* values = adapter.values().ptr<float>();
  for (const LoraBlock& b : adapter.layout().blocks()) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(b.in));
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < b.rank * b.in; ++i) {
      const double a = static_cast<double>(values[b.offset_a + i]);
      ASSERT_LE(std::abs(a), bound);
      sum += a;
      squares += a * a;
    }
    const auto n = static_cast<double>(b.rank * b.in);
    // A uniform distribution's variance is bound^2/3; mean and variance within five standard
    // deviations of 1024 draws.
    EXPECT_NEAR(sum / n, 0.0, 5 * bound / std::sqrt(3 * n));
    EXPECT_NEAR(squares / n, bound * bound / 3, 5 * bound * bound * std::sqrt(4.0 / 45 / n));
    for (int64_t i = 0; i < b.rank * b.out; ++i) ASSERT_EQ(values[b.offset_bt + i], 0.0f);
  }
  Adapter same(small_model(), options), other(small_model(), options);
  same.initialise(3, 0);
  other.initialise(4, 0);
  EXPECT_EQ(same.values().ptr<float>()[5], values[5]);
  EXPECT_NE(other.values().ptr<float>()[5], values[5]);
}

TEST(Adapter, ScalesByRankOrItsRoot) {
  LoraOptions options;
  options.rank = 16;
  options.alpha = 8;
  EXPECT_DOUBLE_EQ(options.scaling(), 0.5);
  options.rslora = true;
  EXPECT_DOUBLE_EQ(options.scaling(), 2.0);
}

TEST(Adapter, UnknownModulesAreNamed) {
  for (const Module m : kAllModules) EXPECT_EQ(parse_module(module_name(m)), m);
  try {
    parse_module("attn");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    EXPECT_THAT(std::string(e.what()) + e.hint(), HasSubstr("gate_proj"));
  }
}

class PeftFolder : public ::testing::Test {
 protected:
  PeftFolder() : adapter_(small_model(), options()) {
    for (int64_t i = 0; i < adapter_.layout().size(); ++i)
      adapter_.values().ptr<float>()[i] = 0.001f * static_cast<float>(i);
    save_peft(path_, adapter_, "some/model");
  }
  static LoraOptions options() {
    LoraOptions o;
    o.rank = 4;
    o.alpha = 6;
    o.dropout = 0.25;
    o.rslora = true;
    o.targets = {"q_proj", "up_proj"};
    return o;
  }
  // The message of loading after one key of adapter_config.json was changed.
  std::string error_with(const std::string& key, const Json& value) {
    Json json = read_json(path_ / "adapter_config.json");
    const Json before = json;
    json[key] = value;
    write_json(path_ / "adapter_config.json", json);
    std::string message = "no error";
    try {
      load_peft(path_, small_model());
    } catch (const Error& e) {
      message = e.what();
    }
    write_json(path_ / "adapter_config.json", before);
    return message;
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "adapter";
  Adapter adapter_;
};

TEST_F(PeftFolder, ComesBackToTheBit) {
  const Adapter read = load_peft(path_, small_model());
  EXPECT_EQ(read.options().rank, 4);
  EXPECT_EQ(read.options().alpha, 6);
  EXPECT_EQ(read.options().dropout, 0.25);
  EXPECT_TRUE(read.options().rslora);
  EXPECT_EQ(read.options().targets, options().targets);
  ASSERT_EQ(read.layout().size(), adapter_.layout().size());
  for (int64_t i = 0; i < read.layout().size(); ++i)
    ASSERT_EQ(read.values().ptr<float>()[i], adapter_.values().ptr<float>()[i]);
  EXPECT_EQ(read_json(path_ / "adapter_config.json").at("base_model_name_or_path"), "some/model");
}

TEST_F(PeftFolder, TheOrderOfTargetsDoesNotMatter) {
  Json json = read_json(path_ / "adapter_config.json");
  json["target_modules"] = {"up_proj", "q_proj"};
  write_json(path_ / "adapter_config.json", json);
  const Adapter read = load_peft(path_, small_model());
  EXPECT_EQ(read.values().ptr<float>()[7], adapter_.values().ptr<float>()[7]);
}

TEST_F(PeftFolder, WhatIsNullIsNotThere) {
  Json json = read_json(path_ / "adapter_config.json");
  for (const char* key : {"use_dora", "num_transformer_submodules", "lora_bias"})
    json[key] = nullptr;
  json["init_lora_weights"] = "gaussian";
  write_json(path_ / "adapter_config.json", json);
  EXPECT_EQ(load_peft(path_, small_model()).options().rank, 4);
}

TEST_F(PeftFolder, RefusesWhatIloraCannotCompute) {
  EXPECT_THAT(error_with("use_dora", true), HasSubstr("DoRA"));
  EXPECT_THAT(error_with("bias", "all"), HasSubstr("bias"));
  EXPECT_THAT(error_with("init_lora_weights", "pissa_niter_16"), HasSubstr("pissa_niter_16"));
  EXPECT_THAT(error_with("alora_invocation_tokens", {1, 2}), HasSubstr("alora"));
  EXPECT_THAT(error_with("target_modules", {"lm_head"}), HasSubstr("adapter_config.json"));
  EXPECT_THAT(error_with("peft_type", "IA3"), HasSubstr("IA3"));
  EXPECT_THAT(error_with("modules_to_save", {"lm_head"}), HasSubstr("modules_to_save"));
  EXPECT_THAT(error_with("target_modules", {"q_proj", "c_attn"}), HasSubstr("c_attn"));
}

TEST_F(PeftFolder, NamesWhatDoesNotFit) {
  EXPECT_THAT(error_with("r", 0), HasSubstr("positive r"));
  EXPECT_THAT(error_with("r", "four"), HasSubstr("adapter_config.json"));
  EXPECT_THAT(error_with("r", 8), HasSubstr("lora_A"));
  EXPECT_THAT(error_with("target_modules", {"q_proj", "up_proj", "v_proj"}), HasSubstr("v_proj"));
  EXPECT_THAT(error_with("target_modules", {"q_proj"}), HasSubstr("belong to no target module"));
  ModelConfig wider = small_model();
  wider.width = 64;
  EXPECT_THROW(load_peft(path_, wider), Error);
  ModelConfig deeper = small_model();
  deeper.layers = 4;
  EXPECT_THROW(load_peft(path_, deeper), Error);
  EXPECT_THROW(load_peft(folder_ / "absent", small_model()), Error);
}

// A saved adapter with a byte, or the configuration beside it, changed.
TEST(DamagedAdapter, IsNoticed) {
  const TemporaryFolder folder;
  const ModelConfig config = small_model();
  Adapter adapter(config, LoraOptions());
  adapter.initialise(3, 0);
  save_peft(folder / "whole", adapter, "a model");
  EXPECT_NO_THROW(load_peft(folder / "whole", config));
  const auto values = folder / "whole" / "adapter_model.safetensors",
             options = folder / "whole" / "adapter_config.json";
  const std::string bytes = read_file(values), text = read_file(options);
  // The last byte of the file is the sign and exponent of a number: the damage is no NaN.
  std::string damaged = bytes;
  damaged[damaged.size() - 2] = static_cast<char>(damaged[damaged.size() - 2] ^ 1);
  write_file_atomic(values, damaged);
  EXPECT_THAT(message_of([&] { load_peft(folder / "whole", config); }),
              HasSubstr("expected the adapter that was saved"));
  write_file_atomic(values, bytes);
  Json edited = parse_json(text, "");
  edited["lora_alpha"] = edited.at("lora_alpha").get<double>() + 1;
  write_json(options, edited);
  EXPECT_THAT(message_of([&] { load_peft(folder / "whole", config); }),
              HasSubstr("expected the adapter that was saved"));
  // Of another program: there is nothing to compare with.
  write_file_atomic(options, text);
  const SafetensorsFile file(values);
  write_safetensors(folder / "bare.safetensors", file.tensors(), {{"format", "pt"}});
  std::filesystem::rename(folder / "bare.safetensors", values);
  EXPECT_NO_THROW(load_peft(folder / "whole", config));
}

}  // namespace
}  // namespace ilora
