// Merged models: the same logits as base and adapter, whatever files and types.
#include "model/merged.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/file.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "formats/safetensors.h"
#include "tests/model_fixture.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using testing::golden_folder;
using ::testing::HasSubstr;
using testing::TestModel;

std::vector<float> logits_of(const std::filesystem::path& path, const Adapter* adapter) {
  TestModel model(path, reference_kernels(DType::kF32), DType::kF32);
  const Uses uses = adapter != nullptr ? Uses{{adapter, 1.0, {}}} : Uses{};
  std::vector<float> logits;
  const std::vector<int32_t> ids = {5, 17, 3, 44, 40, 8};
  model.engine.all_logits(ids, uses, [&](size_t, std::span<const float> values) {
    logits.insert(logits.end(), values.begin(), values.end());
  });
  return logits;
}

double relative_error(const std::vector<float>& got, const std::vector<float>& want) {
  EXPECT_EQ(got.size(), want.size());
  double error = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += std::pow(static_cast<double>(got[i]) - want[i], 2);
    size += std::pow(static_cast<double>(want[i]), 2);
  }
  return std::sqrt(error / size);
}

// On all maps, large enough to be seen.
Adapter some_adapter(const ModelConfig& config) {
  LoraOptions options;
  options.rank = 2;
  options.targets.clear();
  for (const Module m : kAllModules) {
    if (config.has(m)) options.targets.emplace_back(module_name(m));
  }
  Adapter adapter(config, options);
  for (int64_t i = 0; i < adapter.layout().size(); ++i)
    adapter.values().ptr<float>()[i] = 0.05f * std::sin(1.7f * static_cast<float>(i));
  return adapter;
}

class Merged : public ::testing::TestWithParam<const char*> {
 protected:
  Merged() {
    adapter_ = some_adapter(base_.config());
    expected_ = logits_of(base_.path(), &adapter_);
    EXPECT_GT(relative_error(logits_of(base_.path(), nullptr), expected_), 0.02);
  }
  // The relative error of the logits after a merge in a type.
  double error_in(std::optional<DType> type) {
    const std::filesystem::path path = folder_ / (gguf_ ? "merged.gguf" : "merged");
    std::filesystem::remove_all(path);
    if (gguf_) {
      report_ = write_merged_gguf(path, base_, adapter_, type);
    } else {
      make_folder(path);
      report_ = write_merged_folder(path, base_, adapter_, type);
    }
    return relative_error(logits_of(path, nullptr), expected_);
  }

  const ModelFiles base_{golden_folder(GetParam())};
  const bool gguf_ = base_.gguf() != nullptr;
  Adapter adapter_;
  std::vector<float> expected_;
  MergeReport report_;
  const TemporaryFolder folder_;
};

TEST_P(Merged, ComputesWhatBaseAndAdapterDo) {
  EXPECT_LE(error_in(DType::kF32), 1e-5);
  EXPECT_EQ(report_.maps, std::ssize(adapter_.layout().blocks()));
  EXPECT_GT(report_.change, 0);
  EXPECT_EQ(report_.rounding, 0);
  EXPECT_LE(error_in(DType::kF16), 2e-3);
  EXPECT_LE(report_.rounding, 0.01 * report_.change);
  EXPECT_LE(error_in(DType::kBF16), 2e-2);
}

TEST_P(Merged, InBlocks) {
  if (!gguf_) GTEST_SKIP() << "folders have no blocks";
  if (base_.config().width % 32 != 0) {  // rows hold no whole blocks, and are F16
    EXPECT_LE(error_in(DType::kQ4_1), 2e-3);
    return;
  }
  double last = 0;
  for (const DType type : {DType::kQ8_0, DType::kQ5_1, DType::kQ4_1}) {
    const double error = error_in(type);
    EXPECT_GT(error, last) << dtype_name(type);
    EXPECT_LE(error, 0.3) << dtype_name(type);
    EXPECT_GT(report_.rounding, 0);
    last = error;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Merged,
                         ::testing::Values("tiny-llama/mixed.gguf", "tiny-llama/model",
                                           "families/granite/model.gguf",
                                           "families/phi3/model.gguf", "families/gemma2/model.gguf",
                                           "families/gemma2/model", "families/qwen3/model.gguf"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::ranges::replace_if(
                               name, [](char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

TEST(MergedGguf, KeepsTypesMetadataAndWhatIsNotTouched) {
  const TemporaryFolder folder;
  const ModelFiles base(golden_folder("tiny-llama/mixed.gguf"));
  LoraOptions options;
  options.targets = {"q_proj"};
  Adapter adapter(base.config(), options);
  adapter.initialise(1, 0);
  for (int64_t i = 0; i < adapter.layout().size(); ++i) adapter.values().ptr<float>()[i] += 0.01f;
  const MergeReport report = write_merged_gguf(folder / "m.gguf", base, adapter, std::nullopt);
  EXPECT_EQ(report.maps, 2);
  EXPECT_GT(report.rounding, 0);  // layer 0's is Q4_0
  const GgufFile merged(folder / "m.gguf");
  const GgufFile& source = *base.gguf();
  EXPECT_EQ(merged.metadata().size(), source.metadata().size());
  EXPECT_EQ(merged.text("general.name"), source.text("general.name"));
  ASSERT_EQ(merged.tensors().size(), source.tensors().size());
  for (size_t i = 0; i < source.tensors().size(); ++i) {
    const StoredTensor &a = source.tensors()[i], &b = merged.tensors()[i];
    EXPECT_EQ(a.describe(), b.describe());
    EXPECT_EQ(std::ranges::equal(a.bytes, b.bytes), a.name.find("attn_q") == a.name.npos) << a.name;
  }
  write_merged_gguf(folder / "q.gguf", base, adapter, DType::kQ4_1);
  const GgufFile quantised(folder / "q.gguf");
  EXPECT_EQ(quantised.integer("general.file_type"), 3);
  EXPECT_EQ(quantised.tensor("token_embd.weight").dtype, DType::kQ8_0);
  EXPECT_EQ(quantised.tensor("output.weight").dtype, DType::kQ8_0);
  EXPECT_EQ(quantised.tensor("blk.1.ffn_up.weight").dtype, DType::kQ4_1);
  EXPECT_EQ(quantised.tensor("blk.1.ffn_norm.weight").dtype, DType::kF32);
}

TEST(MergedGguf, AnAdapterOfNothingIsTheBaseInAnotherType) {
  const TemporaryFolder folder;
  const ModelFiles base(golden_folder("tiny-llama/mixed.gguf"));
  const Adapter nothing(base.config(), LoraOptions());
  const MergeReport report = write_merged_gguf(folder / "m.gguf", base, nothing, DType::kF32);
  EXPECT_EQ(report.change, 0);
  EXPECT_EQ(logits_of(folder / "m.gguf", nullptr), logits_of(base.path(), nullptr));
}

// A llama of one layer of zeros whose maps have a type; rows of ffn_down have 288 elements and are F32.
void write_llama_of(const std::filesystem::path& path, DType maps) {
  GgufWriter writer;
  writer.text("general.architecture", "llama");
  for (const auto& [key, value] : std::map<std::string, uint32_t>{{"block_count", 1},
                                                                  {"embedding_length", 256},
                                                                  {"attention.head_count", 2},
                                                                  {"feed_forward_length", 288},
                                                                  {"context_length", 32}})
    writer.u32("llama." + key, value);
  writer.f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  const auto add = [&](const std::string& name, DType type, std::vector<int64_t> shape) {
    writer.add({name + ".weight", type, std::move(shape),
                [](std::span<std::byte> out) { std::ranges::fill(out, std::byte{0}); }});
  };
  add("token_embd", DType::kF32, {4, 256});
  for (const char* name : {"output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"})
    add(name, DType::kF32, {256});
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"})
    add(std::string("blk.0.") + name, maps, {256, 256});
  for (const char* name : {"ffn_gate", "ffn_up"})
    add(std::string("blk.0.") + name, maps, {288, 256});
  add("blk.0.ffn_down", DType::kF32, {256, 288});
  writer.write(path);
}

TEST(MergedGguf, RefusesTypesThatItDoesNotWrite) {
  const TemporaryFolder folder;
  write_llama_of(folder / "k.gguf", DType::kQ2_K);
  const ModelFiles base(folder / "k.gguf");
  const Adapter adapter = some_adapter(base.config());
  EXPECT_THAT(
      message_of([&] { write_merged_gguf(folder / "m.gguf", base, adapter, std::nullopt); }),
      ::testing::AllOf(HasSubstr("attn_q.weight Q2_K"), HasSubstr("q8_0")));
  EXPECT_FALSE(std::filesystem::exists(folder / "m.gguf"));
  EXPECT_NO_THROW(write_merged_gguf(folder / "m.gguf", base, adapter, DType::kQ8_0));
}

TEST(MergedGguf, KeepsKTypesAndWritesThem) {
  const TemporaryFolder folder;
  struct Case {
    DType type, short_rows;
    uint32_t file_type;
    double most;  // of the adapter's change, what rounding may move
  };
  for (const Case& c : {Case{DType::kQ4_K, DType::kQ5_0, 14, 0.1},
                        {DType::kQ5_K, DType::kQ5_1, 16, 0.05},
                        {DType::kQ6_K, DType::kQ8_0, 18, 0.03}}) {
    write_llama_of(folder / "k.gguf", c.type);
    const ModelFiles base(folder / "k.gguf");
    const Adapter adapter = some_adapter(base.config());
    const MergeReport own = write_merged_gguf(folder / "own.gguf", base, adapter, std::nullopt);
    EXPECT_GT(own.rounding, 0);
    EXPECT_TRUE(own.instead.empty());
    EXPECT_LE(own.rounding, c.most * own.change) << dtype_name(c.type);
    EXPECT_EQ(GgufFile(folder / "own.gguf").tensor("blk.0.ffn_up.weight").dtype, c.type);
    const MergeReport report = write_merged_gguf(folder / "m.gguf", base, adapter, c.type);
    EXPECT_THAT(report.instead, ::testing::ElementsAre(::testing::Pair(c.short_rows, 1)));
    const GgufFile merged(folder / "m.gguf");
    EXPECT_EQ(merged.tensor("blk.0.attn_v.weight").dtype, c.type);
    EXPECT_EQ(merged.tensor("blk.0.ffn_down.weight").dtype, c.short_rows);
    EXPECT_EQ(merged.tensor("token_embd.weight").dtype, DType::kQ6_K);
    EXPECT_EQ(merged.integer("general.file_type"), c.file_type);
  }
}

TEST(MergedFolder, BringsConfigurationAndTokenizer) {
  const TemporaryFolder folder;
  const auto source = golden_folder("../data/tiny-model");
  std::filesystem::copy(source, folder / "base");
  write_file_atomic(folder / "base/LICENSE", "free\n");
  write_file_atomic(folder / "base/README.md", "the base's\n");
  const ModelFiles base(folder / "base");
  const Adapter adapter = some_adapter(base.config());
  make_folder(folder / "m");
  write_merged_folder(folder / "m", base, adapter, DType::kBF16);
  EXPECT_EQ(read_file(folder / "m/tokenizer.json"), read_file(source / "tokenizer.json"));
  EXPECT_EQ(read_file(folder / "m/LICENSE"), "free\n");
  EXPECT_FALSE(std::filesystem::exists(folder / "m/README.md"));
  const Json config = read_json(folder / "m/config.json");
  EXPECT_EQ(config.value("dtype", config.value("torch_dtype", "")), "bfloat16");
  const SafetensorsFile merged(folder / "m/model.safetensors");
  for (const StoredTensor& tensor : merged.tensors()) EXPECT_EQ(tensor.dtype, DType::kBF16);
  EXPECT_THAT(message_of([&] { write_merged_gguf(folder / "g", base, adapter, DType::kF16); }),
              HasSubstr("GGUF base"));
  const ModelFiles gguf(golden_folder("tiny-llama/mixed.gguf"));
  EXPECT_THAT(message_of([&] {
                write_merged_folder(folder / "h", gguf, some_adapter(gguf.config()), std::nullopt);
              }),
              HasSubstr("made of a folder"));
}

TEST(Merge, RefusesSoftPrompts) {
  const ModelFiles gguf(golden_folder("tiny-llama/mixed.gguf"));
  LoraOptions options;
  options.targets.clear();
  options.prompts.rows = 2;
  EXPECT_THAT(message_of([&] {
                write_merged_gguf("x", gguf, Adapter(gguf.config(), options), DType::kF16);
              }),
              HasSubstr("soft prompts"));
}

}  // namespace
}  // namespace ilora
