// What is found in tasks before anything is trained on them.
#include "eval/task_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/unit/base/temporary_folder.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace ilora {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

auto error_with(const std::string& text) {
  return Contains(AllOf(Field(&Finding::error, true), Field(&Finding::text, HasSubstr(text))));
}
auto note_with(const std::string& text) {
  return Contains(AllOf(Field(&Finding::error, false), Field(&Finding::text, HasSubstr(text))));
}

// The test rows here are few.
auto only_too_few() {
  return ElementsAre(AllOf(Field(&Finding::error, false),
                           Field(&Finding::text, HasSubstr("too coarse to compare by"))));
}

TaskText colours() {
  return {"colours",
          {{"grass", "green"}, {"sky", "blue"}, {"sea", "blue"}},
          {{"moss", "green"}},
          {{"ink", "blue"}, {"leaf", "green"}}};
}

TEST(CheckTask, CountsAndLengths) {
  TaskText task = colours();
  task.train.push_back({"größe", "green"});
  const TaskCheck check = check_task(task, nullptr);
  EXPECT_FALSE(check.failed());
  EXPECT_THAT(check.findings, only_too_few());
  EXPECT_EQ(check.measure, "choice");
  EXPECT_EQ(check.unit, "characters");
  ASSERT_EQ(check.splits.size(), 3U);
  EXPECT_EQ(check.splits[0].rows, 4);
  EXPECT_EQ(check.splits[0].prompts, 4);
  EXPECT_EQ(check.splits[0].longest_prompt, 5) << "characters, not bytes";
  EXPECT_DOUBLE_EQ(check.splits[0].mean_prompt, (5 + 3 + 3 + 5) / 4.0);
  EXPECT_EQ(check.splits[2].split, "test");
}

TEST(CheckTask, RepeatsAndLeaks) {
  TaskText task = colours();
  task.train.push_back({"s k y\n", "blue"});  // white space is ignored
  task.train.push_back({"sea", "green"});
  task.test.push_back({"grass", "green"});
  const TaskCheck check = check_task(task, nullptr);
  EXPECT_TRUE(check.failed());
  EXPECT_THAT(check.findings,
              error_with("1 rows repeat a prompt of another split (test.json row 2: "
                         "also in train.json)"));
  EXPECT_THAT(check.findings, note_with("2 rows of train.json repeat"));
  EXPECT_THAT(check.findings, note_with("another answer (train.json row 4)"));
}

TEST(CheckTask, Conversations) {
  const auto talk = [](const std::string& first, const std::string& second) {
    return conversation_of({{"user", first},
                            {"assistant", "a, and much more of it " + first},
                            {"user", second},
                            {"assistant", "b, and much more of it " + second}});
  };
  TaskText task{"t", {}, {}, {}};
  for (int i = 0; i < 12; ++i) {
    task.train.push_back(talk("hello", fmt::format("train {}", i)));
    task.test.push_back(talk("hello", fmt::format("test {}", i)));
  }
  task.train[1].turns[1].learned = false;
  TaskCheck check = check_task(task, nullptr);
  EXPECT_FALSE(check.failed()) << "the same greeting is no leak";
  EXPECT_EQ(check.measure, "likelihood");
  EXPECT_THAT(check.findings, note_with("12 of 12 rows of train.json are conversations: 23 answers "
                                        "are learned, 1 are taken out"));
  EXPECT_THAT(check.findings, note_with("conversations need data.template: chat"));
  // What is asked in a test row must not be answered in the middle of what is learned.
  task.test.push_back(conversation_of({{"user", "hello"}, {"assistant", "a"}}));
  EXPECT_THAT(
      check_task(task, nullptr).findings,
      error_with("repeat a prompt of another split (test.json row 12: also in train.json)"));
  task.test.pop_back();
  task.train[0].turns[2].content = " ";
  task.train[3].turns[0].content = "<|im_end|>";
  check = check_task(task, nullptr);
  EXPECT_THAT(check.findings, error_with("empty text"));
  EXPECT_THAT(check.findings, error_with("train.json row 0: turn 2"));
  EXPECT_THAT(check.findings, note_with("data.special_tokens: parse"));
}

TEST(CheckTask, ConversationsInAModelsTemplate) {
  const Tokenizer tokenizer =
      Tokenizer::from_folder(std::filesystem::path(ILORA_SOURCE_DIR) / "tests/data/tiny-tokenizer");
  const Turns turns = {
      {"user", "one"}, {"assistant", "two"}, {"user", "three"}, {"assistant", "four"}};
  const TaskText task{"t",
                      {conversation_of(turns), {"p", "q"}},
                      {},
                      {conversation_of({{"user", "five"}, {"assistant", "q"}})}};
  const Encoder raw(tokenizer, {}, 1024), chat(tokenizer, {"chat", 1024}, 1024);
  EXPECT_THAT(check_task(task, &raw).findings,
              error_with("1 rows cannot be learned (train.json row 0"));
  const TaskCheck check = check_task(task, &chat);
  EXPECT_FALSE(check.failed());
  EXPECT_EQ(check.splits[0].longest_prompt, std::ssize(chat.prompt(task.train[0])));
  const int64_t length = chat.encode(task.train[0], 0, 0, "x").length();
  EXPECT_THAT(
      check_task(
          task, std::make_unique<Encoder>(tokenizer, EncodeOptions{"chat", length - 1}, 1024).get())
          .findings,
      note_with("conversations lose their earliest turns"));
}

TEST(CheckTask, AnswersThatFitNoMeasure) {
  TaskText task = colours();
  task.definition.options = {"green", "blue"};
  task.eval[0].answer = "Green";
  EXPECT_THAT(
      check_task(task, nullptr).findings,
      error_with("(eval.json row 0: the answer 'Green' is not among the options green, blue)"));
  task = colours();
  task.definition.measure = "number";
  task.train[1].answer = "12";
  EXPECT_THAT(check_task(task, nullptr).findings, note_with("5 answers hold no number"));
  // Texts for which nothing was named.
  TaskText texts{"texts", {}, {}, {}};
  for (int i = 0; i < 30; ++i)
    texts.train.push_back({fmt::format("q{}", i), std::string(100, static_cast<char>('A' + i))});
  texts.test = {{"other", "text"}};
  EXPECT_THAT(check_task(texts, nullptr).findings, note_with("rouge-l"));
  texts.definition.measure = "rouge-l";
  EXPECT_THAT(check_task(texts, nullptr).findings, only_too_few());
}

TEST(CheckTask, EmptyTextsAndLostCharacters) {
  TaskText task = colours();
  task.train[0].answer = "";
  task.train[1].prompt =
      "Fl\xef\xbf\xbd"
      "che";
  task.train[2].prompt = "gr\xc3\x83\xc2\xbcn";  // "grün", encoded twice
  const TaskCheck check = check_task(task, nullptr);
  EXPECT_THAT(check.findings, error_with("1 rows have an empty text, or one of white space and "
                                         "invisible characters (train.json row 0: answer)"));
  EXPECT_THAT(check.findings, note_with("U+FFFD"));
  EXPECT_THAT(check.findings, note_with("read as Latin-1"));
}

TEST(LooksDecodedTwice, KnowsWesternAndChineseTextFromRealNeighbours) {
  // "ß" and "Ä" through Windows-1252, "é" through Latin-1, "中", an emoji, an apostrophe.
  for (const char* text :
       {"Stra\u00c3\u0178e", "\u00c3\u201erger", "caf\u00c3\u00a9", "\u00e4\u00b8\u00ad",
        "\u00f0\u0178\u02dc\u20ac", "it\u00e2\u20ac\u2122s"})
    EXPECT_TRUE(looks_decoded_twice(text)) << text;
  for (const char* text :
       {"Stra\u00dfe", "\u4e2d\u6587", "\u00ab\u00c9\u00bb", "N\u00c3O", "S\u00e3o \u2026",
        "5 \u20ac", "\u00e0 \u00ab la carte \u00bb", "\u2019\u201d"})
    EXPECT_FALSE(looks_decoded_twice(text)) << text;
}

// An import's rows have no place in files of the task yet.
TEST(CheckTask, FindingsNameThePlaceThatARowComesFrom) {
  TaskText task = colours();
  task.train[1].answer.clear();
  std::vector<std::string> places(task.train.size(), "other.csv:1");
  places[1] = "source.csv:32";
  EXPECT_THAT(check_task(task, nullptr).findings, error_with("train.json row 1: answer"));
  EXPECT_THAT(check_task(task, nullptr, {{Split::kTrain, places}}).findings,
              error_with("source.csv:32: answer"));
}

TEST(CheckTask, PromptsLongerThanTheContext) {
  const Tokenizer tokenizer =
      Tokenizer::from_folder(std::filesystem::path(ILORA_SOURCE_DIR) / "tests/data/tiny-tokenizer");
  const Encoder encoder(tokenizer, {"raw", 20}, 1024);
  TaskText task = colours();
  std::string text;
  for (int i = 0; i < 30; ++i) text += "word ";
  task.test[0].prompt = text;
  TaskCheck check = check_task(task, &encoder);
  EXPECT_FALSE(check.failed()) << "such prompts are cut, the answer survives";
  EXPECT_EQ(check.unit, "tokens");
  EXPECT_EQ(check.splits[2].cut, 1);
  EXPECT_THAT(check.findings, note_with("1 of 2 rows of test.json are longer than 20 tokens"));
  task.train[0].answer = text;
  check = check_task(task, &encoder);
  EXPECT_THAT(check.findings, error_with("data.max_answer"));
  const Encoder cutting(tokenizer, {"raw", 20, 8}, 1024);
  check = check_task(task, &cutting);
  EXPECT_FALSE(check.failed()) << "the answer is learned up to its eighth token";
  EXPECT_GE(check.splits[0].longest_answer, 30);
  EXPECT_EQ(check.splits[0].longest_learned, 8);
}

TEST(CheckFolder, AFolderThatCannotBeReadIsAFinding) {
  const TemporaryFolder folder;
  write_task(folder / "t", {"t", {{"a", "b"}, {"x", "y"}}, {{"c", "d"}}, {{"e", "f"}}});
  EXPECT_THAT(check_folder(folder / "t", nullptr).findings, only_too_few());
  write_file_atomic(folder / "t/task.yaml", "generated: foo\n");
  EXPECT_THAT(check_folder(folder / "t", nullptr).findings, error_with("'foo'"));
  std::filesystem::remove(folder / "t/task.yaml");
  write_file_atomic(folder / "t/test.json", "[\n{\"prompt\":\"gr\xfcn\",\"answer\":\"b\"}\n]\n");
  EXPECT_THAT(check_folder(folder / "t", nullptr).findings, error_with("test.json:2"));
  std::filesystem::remove(folder / "t/test.json");
  EXPECT_THAT(check_folder(folder / "t", nullptr).findings, error_with("test.json"));
}

}  // namespace
}  // namespace ilora
