// The library's Session (include/ilora/ilora.h): it learns what `ilora train` learns, to the bit,
// stops, goes on and answers.
#include "ilora/ilora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The tiny runs' settings without output and data, which a session brings itself.
Settings session_settings(const Settings& more = {}) {
  Settings kept;
  for (const std::string& s : tiny_settings("unused", "ilora", more)) {
    if (!s.starts_with("output=") && !s.starts_with("data.folder=")) kept.push_back(s);
  }
  return kept;
}

std::vector<Sample> samples(const std::vector<Example>& rows) {
  std::vector<Sample> all;
  for (const Example& row : rows) all.push_back({row.prompt, row.answer});
  return all;
}

std::string told(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

TEST(Session, LearnsWhatTheProgramLearns) {
  const TemporaryFolder folder;
  Session session(folder / "session", session_settings());
  EXPECT_THAT(session.tasks(), IsEmpty());
  EXPECT_EQ(session.adapter_folder(), "");
  for (const char* name : {"alpha", "beta"}) {
    const TaskText task = read_task(data_folder("tiny-tasks") / name);
    ASSERT_TRUE(session.learn(name, samples(task.train), samples(task.test)));
  }
  EXPECT_THAT(session.tasks(), ElementsAre("alpha", "beta"));
  EXPECT_THAT(session.scores(), SizeIs(2));

  const Outcome train = run_ilora(
      folder, train_arguments(tiny_settings(folder / "cli", "ilora", {"data.tasks=alpha"})));
  ASSERT_EQ(train.code, 0) << train.all();
  const Outcome more = run_ilora(folder, {"train", "--continue", folder / "cli", "--task",
                                          (data_folder("tiny-tasks") / "beta").string()});
  ASSERT_EQ(more.code, 0) << more.all();
  EXPECT_EQ(adapter_bytes(folder / "session"), adapter_bytes(folder / "cli"));
  EXPECT_EQ(results_of(folder / "session")["scores"], results_of(folder / "cli")["scores"]);
}

std::vector<Sample> talks(int first, int count) {
  std::vector<Sample> all;
  for (int i = first; i < first + count; ++i)
    all.push_back({.messages = {{"user", fmt::format("say {}", i)},
                                {"assistant", fmt::format("said {}", i), i % 3 != 0},
                                {"user", "again"},
                                {"assistant", fmt::format("said {} twice", i)}}});
  return all;
}

// The same rows as a task folder has them.
std::vector<Example> rows_of(const std::vector<Sample>& samples) {
  std::vector<Example> rows;
  for (const Sample& sample : samples) {
    Turns turns;
    for (const Message& m : sample.messages) {
      Turn& turn = turns.emplace_back(Turn{m.role, m.content});
      if (!m.learned) turn.learned = false;
    }
    rows.push_back(conversation_of(std::move(turns)));
  }
  return rows;
}

TEST(Session, LearnsConversationsAndReplies) {
  const TemporaryFolder folder;
  const Settings chat = session_settings({"data.template=chat"});
  Session session(folder / "session", chat);
  const std::vector<Message> asked = {{"system", "Be brief."}, {"user", "say 4"}};
  const std::string before = session.reply(asked, {.max_new_tokens = 8});
  ASSERT_TRUE(session.learn("talk", talks(0, 24), talks(100, 8)));
  EXPECT_NE(session.reply(asked, {.max_new_tokens = 8}), before);

  write_task(folder / "talk", {"talk", rows_of(talks(0, 24)), {}, rows_of(talks(100, 8))});
  Session other(folder / "other", chat);
  ASSERT_TRUE(other.learn((folder / "talk").string()));
  EXPECT_EQ(adapter_bytes(folder / "session"), adapter_bytes(folder / "other"));
  EXPECT_EQ(session.scores(), other.scores());
  // One question is what a prompt is, and turns before it change the reply's prompt.
  EXPECT_EQ(session.reply({{"user", "say 4"}}, {.max_new_tokens = 8}),
            session.answer("say 4", {.max_new_tokens = 8}));
  // A row that is kept shows its last answer, and is forgotten like any.
  const auto is_fourth = [](const KeptSample& kept) { return kept.number == 4; };
  ASSERT_TRUE(std::ranges::any_of(session.memory(), is_fourth));
  EXPECT_EQ(session.forget(is_fourth), 1);
  EXPECT_FALSE(std::ranges::any_of(session.memory(), is_fourth));
  EXPECT_THAT(read_file(folder / "session/tasks/talk/train.json"),
              AllOf(HasSubstr("said 5 twice"), ::testing::Not(HasSubstr("said 4 twice"))));
}

TEST(Session, SaysWhatIsWrongWithAConversation) {
  const TemporaryFolder folder;
  Session session(folder / "run", session_settings({"data.template=chat"}));
  const auto learning = [&](const Sample& sample) {
    return told([&] { session.learn("talk", {{"a", "b"}, sample}); });
  };
  EXPECT_THAT(learning({.prompt = "c", .messages = {{"user", "x"}, {"assistant", "y"}}}),
              HasSubstr("training sample 1 has messages, and a prompt or an answer"));
  EXPECT_THAT(learning({.messages = {{"user", "x"}}}),
              AllOf(HasSubstr("training sample 1"), HasSubstr("a turn of the assistant")));
  EXPECT_THAT(learning({.messages = {{"human", "x"}, {"assistant", "y"}}}),
              AllOf(HasSubstr("turn 0 of training sample 1"), HasSubstr("\"human\"")));
  EXPECT_THAT(session.tasks(), IsEmpty());
  EXPECT_THAT(told([&] { session.reply({}); }), HasSubstr("is empty"));
  EXPECT_THAT(told([&] {
                session.reply({{"user", "x"}, {"assistant", "y"}});
              }),
              HasSubstr("ends with a turn of the assistant"));
  Session raw(folder / "raw", session_settings());
  EXPECT_THAT(told([&] { raw.reply({{"user", "x"}}); }), HasSubstr("data.template: chat"));
}

TEST(Session, StopsAfterAStepAndGoesOnToTheSameBits) {
  const TemporaryFolder folder;
  const std::string task = (data_folder("tiny-tasks") / "alpha").string();
  Session whole(folder / "whole", session_settings());
  ASSERT_TRUE(whole.learn(task));

  Session stopped(folder / "stopped", session_settings());
  std::thread other([&] {
    while (count_steps(folder / "stopped") < 3) std::this_thread::yield();
    stopped.stop();
  });
  const bool learned = stopped.learn(task);
  other.join();
  ASSERT_FALSE(learned) << "it was too fast to be stopped";
  EXPECT_THAT(stopped.tasks(), IsEmpty());
  EXPECT_THAT(stopped.scores(), IsEmpty());

  Session later(folder / "stopped");
  EXPECT_TRUE(later.learn(task)) << "the same task again goes on with it";
  EXPECT_THAT(later.tasks(), ElementsAre("alpha"));
  EXPECT_EQ(adapter_bytes(folder / "whole"), adapter_bytes(folder / "stopped"));
}

TEST(Session, AnswersWithTheBaseModelAndThenWithWhatItLearned) {
  const TemporaryFolder folder;
  Session session(folder / "run", session_settings({"train.epochs=30"}));
  const std::string before = session.answer("What is the colour of a?", {.max_new_tokens = 6});
  const std::vector<Sample> rows = {{"What is the colour of a?", " red"},
                                    {"What is the colour of b?", " blue"}};
  ASSERT_TRUE(session.learn("colours", rows));
  const std::vector<std::string> answers =
      session.answer({rows[0].prompt, rows[1].prompt}, {.max_new_tokens = 6});
  ASSERT_THAT(answers, SizeIs(2));
  EXPECT_NE(answers[0], before);
  EXPECT_EQ(answers[0], session.answer(rows[0].prompt, {.max_new_tokens = 6}));

  const Outcome program = run_ilora(folder, {"generate", "--run", folder / "run", "--mode", "f32",
                                             "--max-new-tokens", "6", rows[0].prompt});
  EXPECT_EQ(program.out, answers[0] + "\n");
}

TEST(Session, SaysWhatIsWrongAndChangesNothing) {
  const TemporaryFolder folder;
  EXPECT_THAT(told([&] { Session(folder / "run", {"train.epoch=3"}); }), HasSubstr("train.epochs"));
  Session session(folder / "run", session_settings());
  EXPECT_THAT(told([&] { session.learn("a/b", {{"x", "y"}}); }), HasSubstr("'a/b' is no name"));
  EXPECT_THAT(told([&] { session.learn("empty", {}); }), HasSubstr("no training rows"));
  EXPECT_THAT(told([&] { session.learn((folder / "nowhere")); }), HasSubstr("nowhere"));
  EXPECT_FALSE(fs::exists(folder / "run/config.yaml"));

  const std::string task = (data_folder("tiny-tasks") / "alpha").string();
  ASSERT_TRUE(session.learn(task));
  EXPECT_THAT(told([&] { session.learn(task); }), HasSubstr("alpha is learned already"));
  EXPECT_THAT(session.tasks(), ElementsAre("alpha"));
}

// A program gives the same settings at every start; others would have no effect.
TEST(Session, OfARunThatIsThereTakesItsOwnSettingsAndHowItComputes) {
  const TemporaryFolder folder;
  const std::string task = (data_folder("tiny-tasks") / "alpha").string();
  ASSERT_TRUE(Session(folder / "run", session_settings()).learn(task));
  Settings again = session_settings();
  again.insert(again.end(), {"engine.threads=2", "checkpoint.every=5"});
  EXPECT_EQ(told([&] { Session(folder / "run", again); }), "nothing was thrown");
  again.emplace_back("train.learning_rate=0.5");
  EXPECT_THAT(told([&] { Session(folder / "run", again); }),
              HasSubstr("begun without 'train.learning_rate=0.5'"));
  EXPECT_THAT(told([&] { Session(folder / "run", {"method=seq"}); }), HasSubstr("method=seq"));
}

TEST(Session, ScoredOnTheEvalSplitItNeedsNoTestRows) {
  const TemporaryFolder folder;
  for (const char* name : {"alpha", "beta"}) {
    copy_task(name, folder / ".");
    fs::remove(folder / name / "test.json");
  }
  Session session(folder / "run", session_settings({"eval.split=eval", "train.epochs=1"}));
  EXPECT_TRUE(session.learn((folder / "alpha").string()));
  EXPECT_TRUE(session.learn((folder / "beta").string())) << "and so does the next task";
  EXPECT_THAT(session.scores(), SizeIs(2));
}

TEST(Session, AFolderThatWasMovedGoesOn) {
  const TemporaryFolder folder;
  const Settings settings = session_settings({"train.epochs=1"});
  const std::vector<Sample> rows = {{"a?", " red"}, {"b?", " blue"}};
  ASSERT_TRUE(Session(folder / "old", settings).learn("first", rows));
  fs::rename(folder / "old", folder / "new");
  Session moved(folder / "new", settings);
  EXPECT_TRUE(moved.learn("second", rows));
  EXPECT_TRUE(moved.learn("third", rows));
  EXPECT_THAT(moved.tasks(), ElementsAre("first", "second", "third"));
  EXPECT_THAT(moved.scores(), SizeIs(3));
  EXPECT_FALSE(fs::exists(folder / "old"));
}

TEST(Session, RefusesAnswerOptionsThatMeanNothing) {
  const TemporaryFolder folder;
  Session session(folder / "run", session_settings());
  for (const AnswerOptions& options : {AnswerOptions{.max_new_tokens = 0},
                                       AnswerOptions{.temperature = -1}, AnswerOptions{.top_p = 0}})
    EXPECT_THAT(told([&] { session.answer("x", options); }), HasSubstr("top_p above 0"));
}

// A folder of a run that something damaged: an error of the kind that the header promises.
TEST(Session, ThrowsRuntimeErrorsAlone) {
  const TemporaryFolder folder;
  const std::string task = (data_folder("tiny-tasks") / "alpha").string();
  ASSERT_TRUE(Session(folder / "run", session_settings({"train.epochs=1"})).learn(task));
  write_file_atomic(folder / "run/results.json", "[]");
  EXPECT_THAT(told([&] { Session(folder / "run").resume(); }), HasSubstr("results.json"));
}

TEST(Session, TheReadmeShowsTheExampleAsItIs) {
  const fs::path root = ILORA_SOURCE_DIR;
  const std::string readme = read_file(root / "README.md");
  const size_t section = readme.find("## As a library"), begin = readme.find("```cpp\n", section);
  ASSERT_NE(section, std::string::npos);
  const std::string block = readme.substr(begin + 7, readme.find("```", begin + 7) - begin - 7);
  EXPECT_THAT(read_file(root / "examples/embedding/main.cpp"), HasSubstr(block));
}

}  // namespace
}  // namespace ilora::testing
