#include "serve/taught_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "serve/request_error.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

std::vector<Example> rows(const std::string& name, int count) {
  std::vector<Example> made;
  for (int i = 0; i < count; ++i)
    made.push_back({fmt::format("{} {}?", name, i), fmt::format("{} answer {}", name, i)});
  return made;
}

struct Taught {
  TaughtRows open(TaughtLimits limits = {}) const { return TaughtRows(run, limits); }

  TemporaryFolder folder;
  RunFolder run{folder.path() / "mine"};
};

int status_of(TaughtRows& taught, const std::vector<Example>& given, const std::string& task) {
  try {
    taught.add(given, task, "taught", "");
  } catch (const RequestError& e) {
    return e.status;
  }
  return 200;
}

TEST(TaughtRows, RowsWaitUntilTheyMakeATaskAndAreKnownAfterwards) {
  const Taught t;
  {
    TaughtRows taught = t.open();
    EXPECT_EQ(taught.add(rows("a", 2), "", "taught", ""), (std::vector<int64_t>{1, 2}));
    EXPECT_EQ(taught.add(rows("b", 1), "named", "taught", ""), std::vector<int64_t>{3});
    EXPECT_EQ(taught.close("", {}), "taught-001");
    EXPECT_EQ(taught.close("", {}), "") << "none waits any more";
    EXPECT_EQ(taught.waiting(), (std::map<std::string, int64_t>{{"named", 1}}));
  }
  TaughtRows again = t.open();
  ASSERT_EQ(again.tasks().size(), 1u);
  EXPECT_EQ(again.tasks()[0].rows[1].prompt, "a 1?");
  EXPECT_EQ(again.count_waiting(), 1);
  EXPECT_EQ(again.add(rows("c", 1), "named", "taught", ""), std::vector<int64_t>{4});
  EXPECT_EQ(again.close("named", {"named"}), "named-2") << "the run has a task of that name";
  EXPECT_EQ(again.tasks().back().rows.size(), 2u);
}

TEST(TaughtRows, ACallThatIsRepeatedAddsNothing) {
  const Taught t;
  TaughtRows taught = t.open();
  const auto numbers = taught.add(rows("a", 2), "", "taught", "key-1");
  EXPECT_EQ(taught.add(rows("a", 2), "", "taught", "key-1"), numbers);
  TaughtRows again = t.open();
  EXPECT_EQ(again.add(rows("a", 2), "", "taught", "key-1"), numbers) << "nor by a later server";
  EXPECT_EQ(again.count_waiting(), 2);
}

TEST(TaughtRows, ConversationsAreKeptAsTheyAre) {
  const Taught t;
  const Example talk = conversation_of({{"system", "Be brief."},
                                        {"user", "Hi"},
                                        {"assistant", "Ho", false},
                                        {"user", "And?"},
                                        {"assistant", "Hum"}});
  t.open().add({talk}, "", "correction", "");
  TaughtRows again = t.open();
  again.close("", {});
  EXPECT_EQ(again.tasks()[0].rows[0].turns, talk.turns);
}

TEST(TaughtRows, WhatIsTooMuchOrNoNameIsRefusedAndNothingIsWritten) {
  const Taught t;
  TaughtRows taught = t.open({3, 4});
  EXPECT_EQ(status_of(taught, rows("a", 4), ""), kTooLarge);
  EXPECT_EQ(status_of(taught, {}, ""), kBadRequest);
  for (const char* name : {"../up", "a/b", ".hidden", "with space", "é"})
    EXPECT_EQ(status_of(taught, rows("a", 1), name), kBadRequest) << name;
  EXPECT_EQ(status_of(taught, rows("a", 3), ""), 200);
  EXPECT_EQ(status_of(taught, rows("b", 2), ""), kTooMany);
  EXPECT_EQ(t.open().count_waiting(), 3);
}

TEST(TaughtRows, ATextThatIsTakenOutIsInNoLine) {
  const Taught t;
  TaughtRows taught = t.open();
  taught.add(rows("other", 1), "kept", "taught", "");
  taught.add(rows("a", 3), "", "taught", "");
  taught.close("", {});
  taught.add_task({"job", rows("b", 2), rows("b", 2)}, {});
  taught.blank("taught-001", {1});
  taught.blank("job", {0});
  const std::string file = read_file(t.run.path() / "serve" / "taught.jsonl");
  for (const char* gone : {"a answer 1", "b answer 0"})
    EXPECT_THAT(file, ::testing::Not(::testing::HasSubstr(gone)));
  for (const char* stays : {"a answer 0", "a answer 2", "b answer 1", "other answer 0"})
    EXPECT_THAT(file, ::testing::HasSubstr(stays));
  TaughtRows again = t.open();
  EXPECT_TRUE(again.warnings().empty());
  EXPECT_EQ(again.tasks()[0].rows.size(), 3u);
  EXPECT_EQ(again.tasks()[0].rows[2].prompt, "a 2?");
  EXPECT_EQ(again.count_waiting(), 1);
}

TEST(TaughtRows, ATasksFolderIsOneThatIsRead) {
  const Taught t;
  TaughtRows taught = t.open();
  taught.add(rows("a", 3), "free", "taught", "");
  taught.close("free", {});
  taught.write(taught.tasks()[0]);
  const TaskText task = read_task(t.run.given_tasks() / "free");
  EXPECT_EQ(task.train.size(), 3u);
  EXPECT_EQ(task.test.size(), 3u) << "without rows of its own it is scored by those";
  EXPECT_EQ(task.definition.measure, "rouge-l") << "free texts";
  std::vector<Example> labels = rows("b", 6);
  for (size_t i = 0; i < labels.size(); ++i) labels[i].answer = i % 2 == 0 ? "yes" : "no";
  taught.add_task({"labels", labels, rows("c", 2)}, {});
  taught.write(taught.tasks()[1]);
  const TaskText labelled = read_task(t.run.given_tasks() / "labels");
  EXPECT_EQ(labelled.definition.measure, "auto");
  EXPECT_EQ(labelled.test.size(), 2u);
}

}  // namespace
}  // namespace ilora
