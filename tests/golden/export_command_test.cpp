// ilora export and merge, from a run and from adapters that lie around; and what takes a LoRA file in
// GGUF.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "model/adapter_file.h"
#include "model/peft.h"
#include "tests/model_fixture.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const fs::path kModel = data_folder("tiny-model");

// A run of I-LoRA on the tiny tasks, trained once.
class Export : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    trained_ = new TemporaryFolder;
    const Outcome outcome =
        run_ilora(*trained_, train_arguments(tiny_settings(*trained_ / "run", "ilora")));
    ASSERT_EQ(outcome.code, 0) << outcome.all();
  }
  static void TearDownTestSuite() {
    delete trained_;
    trained_ = nullptr;
  }
  static fs::path run() { return *trained_ / "run"; }
  Outcome ilora(std::vector<std::string> arguments) const {
    return run_ilora(folder_, arguments, {{{"OMP_NUM_THREADS", "1"}}});
  }
  // `ilora export SOURCE --out OUT ...`, which must succeed.
  fs::path exported(const fs::path& source, const std::string& out,
                    const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"export", source, "--out", folder_ / out};
    all.insert(all.end(), more.begin(), more.end());
    const Outcome outcome = ilora(all);
    EXPECT_EQ(outcome.code, 0) << outcome.all();
    return folder_ / out;
  }
  std::string refused(const fs::path& source, const std::string& out,
                      const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"export", source, "--out", folder_ / out};
    all.insert(all.end(), more.begin(), more.end());
    const Outcome outcome = ilora(all);
    EXPECT_NE(outcome.code, 0) << outcome.all();
    return outcome.err;
  }
  std::string answer(std::vector<std::string> from) const {
    std::vector<std::string> all = {"generate", "--mode", "f32",     "--max-new-tokens",
                                    "12",       "-p",     "alpha 3:"};
    all.insert(all.begin() + 1, from.begin(), from.end());
    const Outcome outcome = ilora(all);
    EXPECT_EQ(outcome.code, 0) << outcome.all();
    return outcome.out;
  }
  static Adapter learner(const std::string& name, int64_t task = 3) {
    return load_peft(RunFolder(run()).adapter(task, name), config());
  }
  static const ModelFiles& files() {
    static const ModelFiles files(kModel);
    return files;
  }
  static const ModelConfig& config() { return files().config(); }

  static TemporaryFolder* trained_;
  const TemporaryFolder folder_;
};
TemporaryFolder* Export::trained_ = nullptr;

TEST_F(Export, AsAPeftFolderWithACard) {
  const fs::path out = exported(run(), "out", {"--to", "peft", "--base", "someone/tiny"});
  EXPECT_EQ(values_of(load_peft(out, config()).values()), values_of(learner("slow").values()));
  EXPECT_EQ(read_json(out / "adapter_config.json").at("base_model_name_or_path"), "someone/tiny");
  const Results results = read_run_file<Results>(RunFolder(run()));
  const std::string card = read_file(out / "README.md");
  EXPECT_THAT(card, AllOf(HasSubstr("base_model: someone/tiny\n"), HasSubstr("| method | ilora |"),
                          HasSubstr("| learner | slow |"), HasSubstr("library_name: peft")));
  for (size_t t = 0; t < results.tasks.size(); ++t)
    EXPECT_THAT(card, HasSubstr(fmt::format("| {} | {} | {:.3f} |", results.tasks[t],
                                            results.measure(t), *results.scores.back()[t])));
  EXPECT_THAT(card, Not(HasSubstr("license:")));
  // Another learner, after another task; the base by its path.
  const fs::path second =
      exported(run(), "second", {"--to", "peft", "--learner", "fast", "--task", "2"});
  EXPECT_EQ(values_of(load_peft(second, config()).values()),
            values_of(learner("fast", 2).values()));
  EXPECT_EQ(read_json(second / "adapter_config.json").at("base_model_name_or_path"),
            kModel.string());
  EXPECT_THAT(read_file(second / "README.md"), Not(HasSubstr("base_model:")));
  EXPECT_THAT(refused(run(), "out", {"--to", "peft"}), HasSubstr("is there already"));
}

TEST_F(Export, APointBetweenLearnersOrCheckpoints) {
  const fs::path out = exported(run(), "out", {"--to", "peft", "--between", "slow,fast,0.25"});
  const std::vector<float> got = values_of(load_peft(out, config()).values());
  const std::vector<float> slow = values_of(learner("slow").values());
  const std::vector<float> fast = values_of(learner("fast").values());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], 0.75 * slow[i] + 0.25 * fast[i], 1e-6);
  EXPECT_THAT(read_file(out / "README.md"), HasSubstr("was not scored"));
  const fs::path end = exported(run(), "end", {"--to", "peft", "--between", "1:slow,2:slow,1"});
  EXPECT_EQ(values_of(load_peft(end, config()).values()), values_of(learner("slow", 2).values()));
  EXPECT_THAT(refused(run(), "x", {"--to", "peft", "--between", "slow,fast"}), HasSubstr("A,B,T"));
  EXPECT_THAT(refused(run(), "x", {"--to", "peft", "--between", "slow,fast,2"}),
              HasSubstr("A,B,T"));
  EXPECT_THAT(refused(run(), "x", {"--to", "peft", "--between", "slow,quick,0.5"}),
              HasSubstr("no learner 'quick'"));
  EXPECT_THAT(refused(run(), "x", {"--to", "peft", "--task", "9"}), HasSubstr("after task 9"));
  EXPECT_FALSE(fs::exists(folder_ / "x"));
}

TEST_F(Export, AsLoraInGgufWhichAnswersAsTheRunDoes) {
  const fs::path out = exported(run(), "lora.gguf", {"--to", "gguf-lora"});
  EXPECT_EQ(values_of(load_adapter(out, files()).values()), values_of(learner("slow").values()));
  const std::string expected = answer({"--run", run()});
  EXPECT_EQ(answer({"--model", kModel, "--adapter", out}), expected);
  EXPECT_NE(answer({"--model", kModel}), expected);
  // A file that is there is replaced; f16 is half as large.
  const auto size = fs::file_size(out);
  exported(run(), "lora.gguf", {"--to", "gguf-lora", "--type", "f16"});
  EXPECT_LT(fs::file_size(out), size * 3 / 4);
  // From the file into a PEFT folder.
  const fs::path peft = exported(out, "peft", {"--to", "peft", "--model", kModel});
  EXPECT_EQ(load_peft_options(peft).rank, learner("slow").options().rank);
  EXPECT_THAT(refused(out, "y", {"--to", "peft"}), HasSubstr("--model"));
  EXPECT_THAT(refused(out, "y", {"--to", "peft", "--model", kModel, "--learner", "slow"}),
              HasSubstr("no run"));
}

TEST_F(Export, AMergedFolderAnswersAsTheRunDoes) {
  const fs::path out = exported(run(), "merged", {"--to", "hf"});
  EXPECT_EQ(answer({"--model", out}), answer({"--run", run()}));
  const Outcome merged = ilora({"merge", run(), "--out", folder_ / "too", "--type", "f32"});
  EXPECT_EQ(merged.code, 0) << merged.all();
  EXPECT_EQ(answer({"--model", folder_ / "too"}), answer({"--run", run()}));
  EXPECT_THAT(refused(run(), "x", {"--to", "gguf"}), HasSubstr("GGUF base"));
  EXPECT_THAT(refused(run(), "x", {"--to", "ollama"}), HasSubstr("GGUF base"));
  EXPECT_THAT(refused(run(), "x", {"--to", "hf", "--type", "q8_0"}), HasSubstr("f32, f16, bf16"));
  EXPECT_FALSE(fs::exists(folder_ / "x"));
}

TEST_F(Export, TrainingStartsFromALoraFile) {
  const fs::path lora = exported(run(), "lora.gguf", {"--to", "gguf-lora"});
  const Outcome outcome =
      run_ilora(folder_, train_arguments(tiny_settings(
                             folder_ / "more", "seq",
                             {"lora.start=" + lora.string(), "lora.rank=16", "train.epochs=0"})));
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  const Adapter after = load_peft(RunFolder(folder_ / "more").adapter(1, "fast"), config());
  EXPECT_EQ(values_of(after.values()), values_of(learner("slow").values()));
}

// Over a GGUF base: an adapter that PEFT saved, without a tokenizer anywhere.
class ExportOverGguf : public Export {
 protected:
  static void SetUpTestSuite() {}
  static void TearDownTestSuite() {}
  const fs::path base_ = golden_folder("tiny-llama/mixed.gguf");
  const fs::path adapter_ = golden_folder("tiny-llama/adapter-all");
  std::vector<std::string> to(const std::string& form, const std::string& type = {}) const {
    std::vector<std::string> all = {"--to", form, "--model", base_};
    if (!type.empty()) all.insert(all.end(), {"--type", type});
    return all;
  }
};

TEST_F(ExportOverGguf, AMergedFile) {
  const GgufFile merged(exported(adapter_, "m.gguf", to("gguf")));
  EXPECT_EQ(merged.tensor("blk.0.attn_q.weight").dtype, DType::kF16);
  const GgufFile same(exported(adapter_, "m.gguf", to("gguf", "base")));
  EXPECT_EQ(same.tensor("blk.0.attn_q.weight").dtype, DType::kQ4_0);
  const Outcome outcome =
      ilora({"merge", adapter_, "--model", base_, "--type", "q4_0", "--out", folder_ / "q.gguf"});
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_THAT(outcome.err, HasSubstr("rounding moved them by"));
  EXPECT_THAT(refused(adapter_, "x", to("hf")), HasSubstr("made of a folder"));
  EXPECT_THAT(refused(adapter_, "x", to("gguf", "q2_k")), HasSubstr("no 'q2_k'"));
  EXPECT_THAT(refused(adapter_, "x", to("peft", "f16")), HasSubstr("float32"));
}

TEST_F(ExportOverGguf, TheBaseStaysWhatItIs) {
  fs::copy_file(base_, folder_ / "base.gguf");
  fs::create_symlink(folder_ / "base.gguf", folder_ / "link.gguf");
  const std::string before = read_file(base_);
  for (const char* name : {"base.gguf", "link.gguf"})
    refused(adapter_, name, {"--to", "gguf", "--model", folder_ / "base.gguf"});
  EXPECT_EQ(read_file(folder_ / "base.gguf"), before);
}

TEST_F(ExportOverGguf, AFileOfAnotherKindStaysToo) {
  write_file_atomic(folder_ / "config.yaml", "method: ilora\n");
  refused(adapter_, "config.yaml", to("gguf-lora"));
  EXPECT_EQ(read_file(folder_ / "config.yaml"), "method: ilora\n");
}

TEST_F(ExportOverGguf, ForOllama) {
  const fs::path out = exported(adapter_, "o", to("ollama"));
  EXPECT_EQ(read_file(out / "mixed.gguf"), read_file(base_));
  EXPECT_THAT(read_file(out / "Modelfile"),
              AllOf(HasSubstr("FROM ./mixed.gguf\n"), HasSubstr("ADAPTER ./adapter.gguf\n")));
  EXPECT_EQ(GgufFile(out / "adapter.gguf").text("general.type"), "adapter");
}

}  // namespace
}  // namespace ilora::testing
