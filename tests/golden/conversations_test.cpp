// Whole runs on conversations: rows of turns are imported, checked, shown, learned, replayed, scored
// and listed; rows of one turn are learned as prompts and answers are, to the bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/task.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Conversations of two turns, of which the first answer of every third one is taken out.
std::vector<Example> talks(int first, int count) {
  std::vector<Example> rows;
  for (int i = first; i < first + count; ++i) {
    Turns turns = {{"user", fmt::format("say {}", i)},
                   {"assistant", fmt::format("said {}", i)},
                   {"user", "again"},
                   {"assistant", fmt::format("said {} twice", i)}};
    if (i % 3 == 0) turns[1].learned = false;
    rows.push_back(conversation_of(std::move(turns)));
  }
  return rows;
}

std::vector<Example> pairs(int first, int count, bool as_turns) {
  std::vector<Example> rows;
  for (int i = first; i < first + count; ++i) {
    const std::string prompt = fmt::format("name {}", i), answer = fmt::format("it is {}", i);
    rows.push_back(as_turns ? conversation_of({{"user", prompt}, {"assistant", answer}})
                            : Example{prompt, answer});
  }
  return rows;
}

class ConversationRuns : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::vector<Example>& train,
             const std::vector<Example>& test) {
    write_task(folder_ / "tasks" / name, {name, train, {}, test});
  }
  Settings settings(const std::string& run, const std::string& tasks, const Settings& more = {}) {
    Settings all = {"data.folder=" + (folder_ / "tasks").string(), "data.tasks=" + tasks,
                    "data.template=chat", "train.epochs=2"};
    all.insert(all.end(), more.begin(), more.end());
    return tiny_settings(folder_ / run, "er", all);
  }
  Outcome train(const Settings& all) { return run_ilora(folder_, train_arguments(all)); }

  const TemporaryFolder folder_;
  const std::string model_ = data_folder("tiny-model").string();
};

TEST_F(ConversationRuns, AreLearnedReplayedScoredAndListed) {
  write("talk", talks(0, 24), talks(100, 8));
  write("pairs", pairs(0, 16, false), pairs(50, 8, false));
  const Outcome learned = train(settings("run", "talk,pairs"));
  ASSERT_EQ(learned.code, 0) << learned.all();
  const Json results = results_of(folder_ / "run");
  EXPECT_EQ(results["measures"][0], "likelihood");
  const auto score = results["scores"][2][0].get<double>(),
             before = results["scores"][0][0].get<double>();
  EXPECT_GT(score, before);
  EXPECT_LT(score, 1.0);
  // The rows that are kept, and what is said of them.
  const Outcome kept = run_ilora(folder_, {"memory", "show", (folder_ / "run").string(), "--task",
                                           "talk", "--row", "4", "--json"});
  ASSERT_EQ(kept.code, 0) << kept.all();
  const Json row = parse_json(kept.out, "kept")["rows"][0];
  EXPECT_THAT(row["prompt"].get<std::string>(), AllOf(HasSubstr("said 4"), HasSubstr("again")));
  EXPECT_EQ(row["answer"], "said 4 twice");
  // A run that was cut off goes on to the same bits.
  const Settings same = settings("whole", "talk,pairs", {"checkpoint.every=2"});
  ASSERT_EQ(train(same).code, 0);
  EXPECT_EQ(adapter_bytes(folder_ / "whole"), adapter_bytes(folder_ / "run"));
  const Outcome purged = run_ilora(
      folder_, {"memory", "purge", (folder_ / "whole").string(), "--task", "talk", "--row", "4"});
  const Outcome listed = run_ilora(
      folder_, {"memory", "show", (folder_ / "whole").string(), "--task", "talk", "--json"});
  EXPECT_THAT(listed.out, Not(HasSubstr("said 4 twice"))) << purged.all();
  EXPECT_THAT(listed.out, HasSubstr("said 5 twice"));
}

// Asked without the system turn of its rows, a run says so.
TEST_F(ConversationRuns, ASystemTurnThatIsMissingIsSaid) {
  std::vector<Example> rows = talks(0, 8);
  for (size_t i = 0; i < rows.size(); ++i) {
    Turns turns = rows[i].turns;
    turns.insert(turns.begin(), {"system", i == 0 ? "Sing." : "Be brief."});
    rows[i] = conversation_of(std::move(turns));
  }
  write("ruled", rows, talks(100, 4));
  ASSERT_EQ(train(settings("run", "ruled")).code, 0);
  const std::string run = (folder_ / "run").string();
  const std::vector<std::string> ask = {"generate", "--run", run, "-n", "2", "-p", "say 4"};
  const Outcome asked = run_ilora(folder_, ask);
  ASSERT_EQ(asked.code, 0) << asked.all();
  EXPECT_THAT(asked.err, AllOf(HasSubstr("the rows of ruled begin with a system turn"),
                               HasSubstr("the most frequent of theirs is: Be brief.")));
  const Outcome chat = run_ilora(folder_, {"chat", run});  // nothing is said
  EXPECT_THAT(chat.err, HasSubstr("theirs is: Be brief."));
  EXPECT_THAT(run_ilora(folder_, {"chat", run, "--system", "Be brief."}).err,
              Not(HasSubstr("system turn")));
  fs::remove_all(folder_ / "tasks/ruled");  // then nobody knows
  EXPECT_THAT(run_ilora(folder_, {"chat", run}).err, Not(HasSubstr("system turn")));
}

TEST_F(ConversationRuns, OfOneTurnAreLearnedAsPromptsAndAnswers) {
  write("turns", pairs(0, 16, true), pairs(50, 8, true));
  ASSERT_EQ(train(settings("turns-run", "turns", {"eval.measures=exact"})).code, 0);
  fs::remove_all(folder_ / "tasks/turns");
  write("turns", pairs(0, 16, false), pairs(50, 8, false));
  ASSERT_EQ(train(settings("pairs-run", "turns", {"eval.measures=exact"})).code, 0);
  EXPECT_EQ(adapter_bytes(folder_ / "turns-run"), adapter_bytes(folder_ / "pairs-run"));
  EXPECT_EQ(results_of(folder_ / "turns-run")["scores"],
            results_of(folder_ / "pairs-run")["scores"]);
}

TEST_F(ConversationRuns, ARunThatWasCutOffGoesOn) {
  write("talk", talks(0, 24), talks(100, 8));
  write("pairs", pairs(0, 16, false), pairs(50, 8, false));
  const Settings steps = {"checkpoint.every=1"};
  ASSERT_EQ(train(settings("whole", "talk,pairs", steps)).code, 0);
  Child child(folder_, train_arguments(settings("cut", "talk,pairs", steps)));
  while (child.running() &&
         !fs::exists(folder_ / "cut/checkpoints/last/state-before.safetensors")) {
  }
  child.send(SIGKILL);
  child.wait();
  const Outcome resumed = run_ilora(folder_, {"train", "--resume", (folder_ / "cut").string()});
  ASSERT_EQ(resumed.code, 0) << resumed.all();
  EXPECT_EQ(adapter_bytes(folder_ / "cut"), adapter_bytes(folder_ / "whole"));
}

TEST_F(ConversationRuns, NeedATemplateAndSaySo) {
  write("talk", talks(0, 24), talks(100, 8));
  Settings raw = settings("run", "talk");
  raw.emplace_back("data.template=raw");
  const Outcome refused = train(raw);
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("row 0 of talk/train.json is a conversation"),
                                 HasSubstr("data.template: chat"), HasSubstr("--pairs")));
  EXPECT_FALSE(fs::exists(folder_ / "run/results.json"));
}

TEST_F(ConversationRuns, AreImportedCheckedAndShown) {
  std::string lines;
  for (int i = 0; i < 20; ++i)
    lines += fmt::format(
        R"({{"messages":[{{"role":"user","content":"say {0}"}},{{"role":"assistant","content":"said {0}")"
        R"(,"weight":{1}}},{{"role":"user","content":"and?"}},{{"role":"assistant","content":"{0} more"}}]}})"
        "\n",
        i, i % 2);
  write_file_atomic(folder_ / "chats.jsonl", lines);
  const std::string out = (folder_ / "tasks/chats").string();
  const Outcome imported =
      run_ilora(folder_, {"data", "import", (folder_ / "chats.jsonl").string(), "--out", out,
                          "--model", model_, "--template", "chat"});
  ASSERT_EQ(imported.code, 0) << imported.all();
  EXPECT_THAT(imported.out, AllOf(HasSubstr("16 of 16 rows of train.json are conversations"),
                                  HasSubstr("are taken out by their rows")));
  EXPECT_EQ(read_task(out).train.front().turns.size(), 4U);
  const Outcome shown =
      run_ilora(folder_, {"data", "show", out, "--model", model_, "--template", "chat"});
  ASSERT_EQ(shown.code, 0) << shown.all();
  EXPECT_THAT(shown.out, AllOf(HasSubstr("row 0 of chats/train.json"),
                               HasSubstr("<|im_start|>user\\nsay"), HasSubstr("more<|im_end|>\"")));
  const Outcome raw = run_ilora(folder_, {"data", "check", out, "--model", model_});
  EXPECT_NE(raw.code, 0);
  EXPECT_THAT(raw.out, AllOf(HasSubstr("16 rows cannot be learned"), HasSubstr("a chat template")));
  const Outcome cut = run_ilora(folder_, {"data", "import", (folder_ / "chats.jsonl").string(),
                                          "--out", out + "-pairs", "--pairs"});
  ASSERT_EQ(cut.code, 0) << cut.all();
  EXPECT_TRUE(read_task(out + "-pairs").train.front().turns.empty());
  const Outcome wrong = run_ilora(folder_, {"data", "import", (folder_ / "chats.jsonl").string(),
                                            "--out", out + "-x", "--pairs", "--format", "json"});
  EXPECT_THAT(wrong.err, HasSubstr("--pairs has no effect"));
}

}  // namespace
}  // namespace ilora::testing
