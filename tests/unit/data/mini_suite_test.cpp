#include "data/mini_suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "formats/gguf.h"
#include "text/tokenizer.h"

namespace ilora {
namespace {

using testing::ElementsAre;

const std::vector<Example> TaskText::*const kSplits[] = {&TaskText::train, &TaskText::eval,
                                                         &TaskText::test};

std::vector<Example> all_rows(const TaskText& task) {
  std::vector<Example> rows;
  for (const auto split : kSplits)
    rows.insert(rows.end(), (task.*split).begin(), (task.*split).end());
  return rows;
}

TEST(MiniSuite, HasFiveTasksOfTheSameSize) {
  std::vector<std::string> names;
  for (const TaskText& task : mini_suite()) {
    names.push_back(task.name);
    EXPECT_EQ(task.train.size(), 96u) << task.name;
    EXPECT_EQ(task.eval.size(), 24u) << task.name;
    EXPECT_EQ(task.test.size(), 32u) << task.name;
  }
  EXPECT_THAT(names, ElementsAre("reviews", "anfragen", "topics", "languages", "measures"));
}

TEST(MiniSuite, EveryAnswerIsEquallyOftenInEachSplit) {
  for (const TaskText& task : mini_suite()) {
    const size_t answers = task.name == "reviews" ? 2 : 4;
    for (const auto split : kSplits) {
      std::map<std::string, size_t> count;
      for (const Example& row : task.*split) ++count[row.answer];
      EXPECT_EQ(count.size(), answers) << task.name;
      for (const auto& [answer, rows] : count) {
        EXPECT_EQ(rows * answers, (task.*split).size()) << task.name << " " << answer;
      }
    }
  }
}

TEST(MiniSuite, NoPromptOccursTwice) {
  std::set<std::string> seen;
  for (const TaskText& task : mini_suite()) {
    for (const Example& row : all_rows(task)) {
      EXPECT_TRUE(seen.insert(row.prompt).second) << task.name << ": " << row.prompt;
      EXPECT_TRUE(row.prompt.ends_with(".\nCode:") || row.prompt.ends_with("?\nCode:"))
          << row.prompt;
      EXPECT_EQ(row.prompt.find("{}"), std::string::npos) << row.prompt;
    }
  }
  EXPECT_EQ(seen.size(), 5u * 152u);
}

// The rows that were piloted: a changed row changes every published number, so it has to
// be meant.
TEST(MiniSuite, RowsAreThePublishedOnes) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a over prompt, 0, answer, 0
  const auto mix = [&hash](const std::string& text) {
    for (const char* c = text.c_str();; ++c) {
      hash = (hash ^ static_cast<unsigned char>(*c)) * 0x100000001b3u;
      if (*c == '\0') return;
    }
  };
  for (const TaskText& task : mini_suite()) {
    for (const Example& row : all_rows(task)) {
      mix(row.prompt);
      mix(row.answer);
    }
  }
  EXPECT_EQ(hash, 0x634310ec3b5df651u);
  EXPECT_EQ(mini_suite()[1].train[0].prompt, "Die Rechnung für Kaffee ist falsch.\nCode:");
  EXPECT_EQ(mini_suite()[1].train[0].answer, "B");
}

TEST(MiniSuite, RowsAreShortAndAnswersAreOneToken) {
  const char* model = std::getenv("ILORA_MODEL");
  if (model == nullptr) GTEST_SKIP() << "set ILORA_MODEL to the SmolLM2 GGUF";
  const GgufFile file(model);
  const Tokenizer tokenizer = Tokenizer::from_gguf(file);
  for (const TaskText& task : mini_suite()) {
    size_t tokens = 0, rows = 0;
    for (const Example& row : all_rows(task)) {
      tokens += tokenizer.encode(row.prompt).size() + 1;
      EXPECT_EQ(tokenizer.encode(row.answer).size(), 1u) << row.answer;
      ++rows;
    }
    EXPECT_LE(tokens, 32 * rows) << task.name;
  }
}

}  // namespace
}  // namespace ilora
