// LoRA files in GGUF: written and read back, and what is wrong with one.
#include "model/gguf_lora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "model/adapter_file.h"
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

std::vector<float> values_of(const Adapter& adapter) {
  const float* values = adapter.values().ptr<float>();
  return {values, values + adapter.layout().size()};
}

Adapter some_adapter(const ModelConfig& config, LoraOptions options) {
  Adapter adapter(config, options);
  for (int64_t i = 0; i < adapter.layout().size(); ++i)
    adapter.values().ptr<float>()[i] = std::sin(1.7f * static_cast<float>(i));
  return adapter;
}

LoraOptions all_maps(const ModelConfig& config) {
  LoraOptions options;
  options.rank = 3;
  options.alpha = 5;
  options.targets.clear();
  for (const Module m : kAllModules) {
    if (config.has(m)) options.targets.emplace_back(module_name(m));
  }
  return options;
}

// Models of every family with files in GGUF, and a folder that becomes one.
class GgufLora : public ::testing::TestWithParam<const char*> {
 protected:
  const ModelFiles files_{golden_folder(GetParam())};
  const ModelConfig& config_ = files_.config();
  const TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "lora.gguf";
};

TEST_P(GgufLora, ComesBackToTheBit) {
  const Adapter adapter = some_adapter(config_, all_maps(config_));
  save_gguf_lora(path_, adapter, files_, DType::kF32);
  const Adapter read = load_adapter(path_, files_);
  EXPECT_EQ(values_of(read), values_of(adapter));
  EXPECT_EQ(read.options().rank, 3);
  EXPECT_EQ(read.options().alpha, 5);
  EXPECT_EQ(read.options().targets, adapter.options().targets);
  EXPECT_EQ(load_adapter_options(path_).targets, adapter.options().targets);
}

// What llama.cpp multiplies is what the base's file holds: each map's product beside its tensor.
TEST_P(GgufLora, NamesTheTensorsOfTheBase) {
  save_gguf_lora(path_, some_adapter(config_, all_maps(config_)), files_, DType::kF32);
  const GgufFile lora(path_);
  if (files_.gguf() == nullptr) return;
  EXPECT_EQ(lora.text("general.architecture"), files_.gguf()->text("general.architecture"));
  size_t maps = 0;
  for (const StoredTensor& tensor : lora.tensors()) {
    if (!tensor.name.ends_with(".lora_b")) continue;
    ++maps;
    const std::string name = tensor.name.substr(0, tensor.name.size() - 7);
    const StoredTensor& base = files_.gguf()->tensor(name);
    EXPECT_THAT(lora.tensor(name + ".lora_a").shape, ElementsAre(3, base.shape[1]));
    EXPECT_THAT(tensor.shape, ElementsAre(base.shape[0], 3));
  }
  EXPECT_EQ(2 * maps, lora.tensors().size());
  EXPECT_GE(maps, 8U);
}

INSTANTIATE_TEST_SUITE_P(Families, GgufLora,
                         ::testing::Values("tiny-llama/mixed.gguf", "tiny-llama/model",
                                           "families/mistral-window/model",
                                           "families/granite/model.gguf",
                                           "families/phi3/model.gguf", "families/gemma3/model.gguf",
                                           "families/qwen3/model.gguf",
                                           "families/smollm3/model.gguf"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::ranges::replace_if(
                               name, [](char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

class GgufLoraFile : public ::testing::Test {
 protected:
  // A file of one map, with things added.
  GgufWriter writer(const std::string& architecture = "llama") const {
    GgufWriter made;
    made.text("general.architecture", architecture);
    made.text("general.type", "adapter");
    made.text("adapter.type", "lora");
    made.f32("adapter.lora.alpha", 8);
    return made;
  }
  static void add(GgufWriter& to, const std::string& name, std::vector<int64_t> shape,
                  float value = 1) {
    int64_t size = 1;
    for (const int64_t extent : shape) size *= extent;
    const std::vector<float> values(static_cast<size_t>(size), value);
    to.add({name, DType::kF32, std::move(shape),
            [values](std::span<std::byte> out) { fill_elements(out, DType::kF32, values, "x"); }});
  }
  std::string problem(const GgufWriter& made) const {
    made.write(path_);
    return message_of([&] { load_gguf_lora(path_, files_); });
  }

  const ModelFiles files_{golden_folder("tiny-llama/model")};
  const ModelConfig& config_ = files_.config();  // two layers, D 32
  const TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "lora.gguf";
};

// Rank 2 in one map and 4 in another: each has alpha over its own rank.
TEST_F(GgufLoraFile, MayHaveMapsOfDifferentRank) {
  GgufWriter made = writer();
  add(made, "blk.0.attn_v.weight.lora_a", {2, 32});
  add(made, "blk.0.attn_v.weight.lora_b", {16, 2});
  add(made, "blk.1.attn_output.weight.lora_a", {4, 32});
  add(made, "blk.1.attn_output.weight.lora_b", {32, 4});
  made.write(path_);
  const Adapter read = load_gguf_lora(path_, files_);
  EXPECT_EQ(read.options().rank, 4);
  EXPECT_EQ(read.scaling(), 2.0);
  EXPECT_THAT(read.options().targets, ElementsAre("v_proj", "o_proj"));
  const auto at = [&](int64_t layer, Module module, int64_t rank, bool a) {
    const LoraBlock& b = *read.layout().find(layer, module);
    return read.values().ptr<float>()[a ? b.offset_a + rank * b.in : b.offset_bt + rank * b.out];
  };
  EXPECT_EQ(at(0, Module::kValue, 1, true), 1.0f);
  EXPECT_EQ(at(0, Module::kValue, 1, false), 2.0f);  // 8/2 in place of 8/4
  EXPECT_EQ(at(0, Module::kValue, 2, true), 0.0f);
  EXPECT_EQ(at(1, Module::kOutput, 3, false), 1.0f);
  EXPECT_EQ(at(1, Module::kValue, 0, true), 0.0f);
}

TEST_F(GgufLoraFile, SaysWhatIsWrong) {
  GgufWriter other = writer("qwen2");
  add(other, "blk.0.attn_v.weight.lora_a", {2, 32});
  add(other, "blk.0.attn_v.weight.lora_b", {16, 2});
  EXPECT_THAT(problem(other), HasSubstr("got one for 'qwen2'"));
  GgufWriter half = writer();
  add(half, "blk.0.attn_v.weight.lora_a", {2, 32});
  EXPECT_THAT(problem(half), HasSubstr("got one of them"));
  GgufWriter embedding = writer();
  add(embedding, "token_embd.weight.lora_a", {2, 32});
  add(embedding, "token_embd.weight.lora_b", {16, 2});
  EXPECT_THAT(problem(embedding), HasSubstr("token_embd.weight\" is not supported"));
  GgufWriter norm = writer();
  add(norm, "blk.0.attn_norm.weight", {32});
  EXPECT_THAT(problem(norm), HasSubstr("blk.0.attn_norm.weight"));
  GgufWriter wide = writer();
  add(wide, "blk.0.attn_v.weight.lora_a", {2, 48});
  add(wide, "blk.0.attn_v.weight.lora_b", {16, 2});
  EXPECT_THAT(problem(wide), HasSubstr("expected shape (2, 32)"));
  GgufWriter high = writer();
  add(high, "blk.7.attn_v.weight.lora_a", {2, 32});
  add(high, "blk.7.attn_v.weight.lora_b", {16, 2});
  EXPECT_THAT(problem(high), HasSubstr("1 of 1 maps are none of this model's"));
  GgufWriter kind = writer();
  kind.text("adapter.type", "control");
  EXPECT_THAT(problem(kind), HasSubstr("'control'"));
  GgufWriter nan = writer();
  add(nan, "blk.0.attn_v.weight.lora_a", {2, 32});
  add(nan, "blk.0.attn_v.weight.lora_b", {16, 2}, 1e30f);
  EXPECT_NO_THROW(nan.write(path_));
  EXPECT_NO_THROW(load_gguf_lora(path_, files_));
  EXPECT_THAT(message_of([&] { load_adapter(golden_folder("tiny-llama/mixed.gguf"), files_); }),
              HasSubstr("expected an adapter (general.type), got 'model'"));
  EXPECT_THAT(message_of([&] { load_adapter(folder_ / "absent", files_); }),
              HasSubstr("no file or folder"));
  EXPECT_THAT(
      message_of([&] { load_adapter(golden_folder("tiny-llama/model/config.json"), files_); }),
      HasSubstr("PEFT folder or a LoRA file"));
}

TEST_F(GgufLoraFile, ScalesOtherwiseAreInAlpha) {
  LoraOptions options = all_maps(config_);
  options.rslora = true;
  options.rank = 4;
  save_gguf_lora(path_, some_adapter(config_, options), files_, DType::kF16);
  EXPECT_EQ(GgufFile(path_).number("adapter.lora.alpha"), 10.0);  // 5 / sqrt(4) * 4
  const Adapter read = load_gguf_lora(path_, files_);
  EXPECT_EQ(read.scaling(), 2.5);
  EXPECT_FALSE(read.options().rslora);
  EXPECT_EQ(GgufFile(path_).tensors().front().dtype, DType::kF16);
}

TEST_F(GgufLoraFile, RefusesWhatHasNoForm) {
  LoraOptions options = all_maps(config_);
  options.alpha = 0;
  EXPECT_THAT(message_of([&] {
                save_gguf_lora(path_, some_adapter(config_, options), files_, DType::kF32);
              }),
              HasSubstr("scale 0"));
  options = {};
  options.targets.clear();
  options.prompts.rows = 3;
  EXPECT_THAT(
      message_of([&] { save_gguf_lora(path_, Adapter(config_, options), files_, DType::kF32); }),
      HasSubstr("soft prompts"));
  Adapter large = some_adapter(config_, all_maps(config_));
  large.values().ptr<float>()[0] = 70000;
  EXPECT_THAT(message_of([&] { save_gguf_lora(path_, large, files_, DType::kF16); }),
              HasSubstr("F16"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace ilora
