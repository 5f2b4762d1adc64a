// Adapters exchanged with PEFT itself, in both directions, through check_peft.py. Needs
// ILORA_PYTHON (an interpreter with torch, transformers and peft); the base model is ILORA_MODEL,
// or the tiny Llama without it.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>

#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "model/peft.h"
#include "model/prompt_pool.h"
#include "tests/model_fixture.h"

namespace ilora {
namespace {

using testing::golden_folder;
using testing::TestModel;

constexpr double kTolerance = 2e-3;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<float> last_logits(Engine& engine, const std::vector<int32_t>& ids,
                               const Adapter& adapter) {
  std::vector<float> last;
  const Answerer answerer = answerer_of(engine, adapter);
  const std::vector<int32_t> fed = answerer.prefix ? answerer.prefix(ids).before(ids) : ids;
  engine.all_logits(fed, answerer.uses, [&](size_t, std::span<const float> logits) {
    last.assign(logits.begin(), logits.end());
  });
  return last;
}

class PeftExchange : public ::testing::Test {
 protected:
  void SetUp() override {
    python_ = environment("ILORA_PYTHON");
    if (python_.empty()) GTEST_SKIP() << "ILORA_PYTHON names no interpreter with peft";
    const std::string model = environment("ILORA_MODEL");
    base_ = model.empty() ? (golden_folder("tiny-llama") / "model").string() : model;
    folder_ = std::filesystem::temp_directory_path() / fmt::format("ilora-peft-{}", ::getpid());
    make_folder(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  int run(const std::string& arguments) const {
    const std::string script = (golden_folder("check_peft.py")).string();
    return std::system(fmt::format("'{}' '{}' {}", python_, script, arguments).c_str());
  }

  std::string python_, base_;
  std::filesystem::path folder_;
  const std::vector<int32_t> ids_ = {12, 57, 3, 99, 101, 44, 7, 120};
};

TEST_F(PeftExchange, OursLoadsInPeft) {
  TestModel model(base_, cpu_kernels(), DType::kF32);
  LoraOptions options;
  options.targets = {"q_proj", "v_proj", "down_proj"};
  Adapter adapter(model.files.config(), options);
  adapter.initialise(1, 0);
  const Random random(2, Stream::kTest);
  for (const LoraBlock& b : adapter.layout().blocks()) {
    for (int64_t i = b.offset_bt; i < b.offset_bt + b.rank * b.out; ++i) {
      adapter.values().ptr<float>()[i] =
          static_cast<float>(0.02 * random.normal(static_cast<uint64_t>(i)));
    }
  }
  save_peft(folder_ / "ours", adapter, base_);
  write_json(folder_ / "logits.json",
             {{"ids", ids_}, {"logits_last", last_logits(model.engine, ids_, adapter)}});
  EXPECT_EQ(
      run(fmt::format("compare --base '{}' --adapter '{}' --logits '{}' --tolerance {}", base_,
                      (folder_ / "ours").string(), (folder_ / "logits.json").string(), kTolerance)),
      0);
}

TEST_F(PeftExchange, PromptsLoadInPeft) {
  TestModel model(base_, cpu_kernels(), DType::kF32);
  LoraOptions options;
  options.targets = {};
  options.prompts.rows = 6;
  Adapter adapter(model.files.config(), options);
  fill_with_embeddings(model.engine, soft_prompts(adapter.values(), adapter.layout()),
                       Random(3, Stream::kTest));
  save_peft(folder_ / "ours", adapter, base_);
  write_json(folder_ / "logits.json",
             {{"ids", ids_}, {"logits_last", last_logits(model.engine, ids_, adapter)}});
  EXPECT_EQ(
      run(fmt::format("compare --base '{}' --adapter '{}' --logits '{}' --tolerance {}", base_,
                      (folder_ / "ours").string(), (folder_ / "logits.json").string(), kTolerance)),
      0);
}

struct Made {
  const char *name, *arguments;
};
void PrintTo(const Made& made, std::ostream* out) {
  *out << made.name;
}

class PeftMakes : public PeftExchange, public ::testing::WithParamInterface<Made> {};

TEST_P(PeftMakes, WhatLoadsHere) {
  std::string ids;
  for (const int32_t id : ids_) ids += fmt::format("{}{}", ids.empty() ? "" : ",", id);
  ASSERT_EQ(run(fmt::format("make --base '{}' --out '{}' {} --ids {}", base_,
                            (folder_ / "theirs").string(), GetParam().arguments, ids)),
            0);
  TestModel model(base_, cpu_kernels(), DType::kF32);
  const Adapter adapter = load_peft(folder_ / "theirs", model.files.config());
  const std::vector<float> got = last_logits(model.engine, ids_, adapter);
  const Json expected = read_json(folder_ / "theirs" / "logits.json")["logits_last"];
  ASSERT_EQ(got.size(), expected.size());
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(got[i]) - expected[i].get<double>()));
  }
  EXPECT_LE(worst, kTolerance);
  std::printf("largest difference of a logit: %.2e\n", worst);
}

constexpr Made kMade[] = {
    {"Lora", "--modules q_proj,v_proj,up_proj"},
    {"Prompts", "--virtual-tokens 5"},
    {"RootOfRank", "--rslora"},
    {"Ranks",
     R"(--modules q_proj,o_proj,down_proj --set '{"rank_pattern": {"o_proj": 16, "1.mlp.down_proj": 3}}')"},
    {"RanksUnderTheRoot", R"(--rslora --set '{"rank_pattern": {"^model.layers.1.*": 5}}')"},
    {"Scales", R"(--set '{"alpha_pattern": {"layers.0.self_attn.q_proj": 5, "q_proj": 40}}')"},
    {"RanksAndScales",
     R"(--set '{"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 3}}')"},
    {"Expression", R"(--set '{"target_modules": ".*\\.[01]\\.(self_attn\\.k|mlp\\.up)_proj"}')"},
    {"AllLinear", R"(--set '{"target_modules": "all-linear"}')"},
    {"Layers", R"(--set '{"layers_to_transform": [1]}')"},
    {"OneLayer", R"(--set '{"layers_to_transform": 0, "layers_pattern": "layers"}')"},
    {"Excluded", R"(--set '{"exclude_modules": ["layers.0.self_attn.q_proj"]}')"},
    {"ExcludedByExpression",
     R"(--set '{"target_modules": "all-linear", "exclude_modules": ".*(mlp|0).*"}')"},
    {"WholePaths",
     R"(--set '{"target_modules": ["model.layers.0.mlp.up_proj", "model.layers.1.self_attn.q_proj"]}')"}};

INSTANTIATE_TEST_SUITE_P(Adapters, PeftMakes, ::testing::ValuesIn(kMade),
                         [](const auto& made) { return made.param.name; });

// What ilora does not compute, as PEFT saves it: refused by its name.
TEST_F(PeftExchange, RefusesByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"('{"use_dora": true}')", "DoRA"},
      {R"('{"modules_to_save": ["lm_head"]}')", "modules_to_save"},
      {R"('{"bias": "lora_only"}')", "bias"},
      {R"('{"lora_bias": true}')", "lora_bias"},
      {R"('{"init_lora_weights": "pissa"}')", "pissa"},
      {R"('{"target_modules": ["q_proj", "embed_tokens"]}')", "embed_tokens"},
      {R"('{"target_modules": ["q_proj", "lm_head"]}')", "lm_head"},
      {R"('{"trainable_token_indices": [1, 2]}')", "trainable_token_indices"}};
  TestModel model(base_, cpu_kernels(), DType::kF32);
  for (const auto& [set, name] : cases) {
    const std::filesystem::path out = folder_ / "refused";
    std::filesystem::remove_all(out);
    ASSERT_EQ(run(fmt::format("make --base '{}' --out '{}' --set {}", base_, out.string(), set)), 0)
        << name;
    try {
      load_peft(out, model.files.config());
      ADD_FAILURE() << name << " was read";
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(name), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace ilora
