// Every family goes all the way on its tiny random model (make_families.py): trained, killed, resumed to
// the uninterrupted bits, asked, exported.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "model/families/family.h"
#include "tests/model_fixture.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

// A model of each family that folders are read of, and the architecture that its LoRA has in GGUF;
// empty: it has none.
struct FamilyRun {
  const char* folder;
  const char* architecture;

  friend void PrintTo(const FamilyRun& run, std::ostream* out) { *out << run.folder; }
};
constexpr FamilyRun kRuns[] = {{"llama-bias", "llama"},
                               {"mistral-window", "llama"},
                               {"qwen2-window", "qwen2"},
                               {"qwen3", "qwen3"},
                               {"smollm3", "smollm3"},
                               {"olmo2", "olmo2"},
                               {"olmo3", "olmo2"},
                               {"granite", "granite"},
                               {"phi3", "phi3"},
                               {"gemma2", "gemma2"},
                               {"gemma3", "gemma3"},
                               {"ministral", ""},
                               {"ministral3", "mistral3"},
                               {"glm4", "glm4"},
                               {"exaone4", "exaone4"},
                               {"cohere", "command-r"},
                               {"cohere2", "cohere2"},
                               {"stablelm", "stablelm"},
                               {"starcoder2", "starcoder2"},
                               {"gemma4", "gemma4"},
                               {"gemma4-values", "gemma4"},
                               {"gemma3-vision", "gemma3"},
                               {"mistral3-vision", "llama"}};

// The tiny models have 48 embeddings and no tokenizer: letters, digits and a few marks.
void write_tokenizer(const fs::path& folder) {
  std::vector<std::string> tokens = {"<s>", "</s>", "Ġ", "Ċ"};
  for (char c = 'a'; c <= 'z'; ++c) tokens.emplace_back(1, c);
  for (char c = '0'; c <= '9'; ++c) tokens.emplace_back(1, c);
  for (const char* mark : {":", ".", ",", "?", "-"}) tokens.emplace_back(mark);
  Json vocabulary = Json::object(), added = Json::array();
  for (size_t i = 0; i < tokens.size(); ++i) vocabulary[tokens[i]] = i;
  for (int i = 0; i < 2; ++i) {
    added.push_back({{"id", i},
                     {"content", tokens[static_cast<size_t>(i)]},
                     {"special", true},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false}});
  }
  const Json bytes = {{"type", "ByteLevel"},
                      {"add_prefix_space", false},
                      {"trim_offsets", true},
                      {"use_regex", true}};
  write_json(folder / "tokenizer.json",
             {{"version", "1.0"},
              {"added_tokens", added},
              {"normalizer", nullptr},
              {"pre_tokenizer", bytes},
              {"post_processor", nullptr},
              {"decoder", bytes},
              {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", Json::array()}}}});
  write_json(folder / "tokenizer_config.json", {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
}

class EveryFamily : public ::testing::TestWithParam<FamilyRun> {
 protected:
  void SetUp() override {
    fs::create_directories(model_);
    fs::copy(golden_folder(std::string("families/") + GetParam().folder) / "model", model_,
             fs::copy_options::recursive);
    write_tokenizer(model_);
  }
  Settings settings(const fs::path& output) const {
    return tiny_settings(output, "ilora",
                         {"model.path=" + model_.string(), "data.tasks=alpha,beta",
                          "data.max_length=24", "train.epochs=6", "checkpoint.every=1",
                          "eval.max_new_tokens=4", "lora.targets=" + targets()});
  }
  // All linear maps, by the names that the model's adapter was saved with.
  std::string targets() const {
    const ModelFiles files(model_);
    std::string list;
    for (const Module m : kAllModules) {
      if (files.config().has(m)) list += (list.empty() ? "" : ",") + std::string(module_name(m));
    }
    return list;
  }
  const TemporaryFolder folder_;
  const fs::path model_ = folder_ / "model";
};

TEST_P(EveryFamily, IsTrainedKilledResumedAskedAndExported) {
  const fs::path whole = folder_ / "whole", cut = folder_ / "cut";
  const Outcome trained = run_ilora(folder_, train_arguments(settings(whole)));
  ASSERT_EQ(trained.code, 0) << trained.all();
  {
    Child child(folder_, train_arguments(settings(cut)));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (child.running() && std::chrono::steady_clock::now() < end) {
      if (fs::exists(RunFolder(cut).path(kMetricsFile)) && count_steps(cut) >= 2) break;
      std::this_thread::sleep_for(std::chrono::microseconds(300));
    }
    child.send(SIGKILL);
    EXPECT_EQ(child.wait().signal, SIGKILL) << "the run was over too soon";
  }
  const Outcome resumed = run_ilora(folder_, {"train", "--resume", cut.string()});
  ASSERT_EQ(resumed.code, 0) << resumed.all();
  EXPECT_EQ(adapter_bytes(cut), adapter_bytes(whole));

  const Outcome asked = run_ilora(
      folder_, {"generate", "--run", cut, "--mode", "f32", "--max-new-tokens", "5", "alpha 3:"});
  EXPECT_EQ(asked.code, 0) << asked.all();

  const Outcome peft =
      run_ilora(folder_, {"export", cut, "--to", "peft", "--out", folder_ / "peft"});
  EXPECT_EQ(peft.code, 0) << peft.all();
  // What is left out of a model with pictures is said by whoever reads it.
  const bool beside_others = std::string(GetParam().folder).ends_with("-vision");
  for (const Outcome* said : {&trained, &asked, &peft})
    EXPECT_EQ(said->err.find("read alone") != std::string::npos, beside_others) << said->err;
  const Outcome answered =
      run_ilora(folder_, {"generate", "--model", model_, "--adapter", folder_ / "peft", "--mode",
                          "f32", "--max-new-tokens", "5", "alpha 3:"});
  EXPECT_EQ(answered.code, 0) << answered.all();
  EXPECT_EQ(answered.out, asked.out);

  const fs::path lora = folder_ / "lora.gguf";
  const Outcome gguf = run_ilora(folder_, {"export", cut, "--to", "gguf-lora", "--out", lora});
  if (GetParam().architecture[0] == '\0') {
    EXPECT_NE(gguf.code, 0);
    EXPECT_THAT(gguf.err, HasSubstr("no files in GGUF"));
    return;
  }
  ASSERT_EQ(gguf.code, 0) << gguf.all();
  EXPECT_EQ(GgufFile(lora).text("general.architecture"), GetParam().architecture);
  const Outcome again = run_ilora(folder_, {"generate", "--model", model_, "--adapter", lora,
                                            "--mode", "f32", "--max-new-tokens", "5", "alpha 3:"});
  EXPECT_EQ(again.code, 0) << again.all();
  EXPECT_EQ(again.out, asked.out);
}

INSTANTIATE_TEST_SUITE_P(Families, EveryFamily, ::testing::ValuesIn(kRuns), [](const auto& run) {
  std::string name = run.param.folder;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// A family that is added has a model here.
TEST(EveryFamilyIsHere, ByModelType) {
  std::set<std::string> types;
  for (const FamilyRun& run : kRuns) {
    const Json config =
        read_json(golden_folder(std::string("families/") + run.folder) / "model/config.json");
    types.insert(config.value("text_config", config).at("model_type").get<std::string>());
  }
  for (const ModelFamily* family : model_families()) {
    if (!family->model_type.empty()) {
      EXPECT_TRUE(types.contains(std::string(family->model_type))) << family->name;
    }
  }
}

}  // namespace
}  // namespace ilora::testing
