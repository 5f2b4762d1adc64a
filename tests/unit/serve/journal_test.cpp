#include "serve/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "model/peft.h"
#include "serve/request_error.h"
#include "tests/unit/base/temporary_folder.h"
#include "tests/unit/serve/serving_bench.h"

namespace ilora {
namespace {

struct Kept {
  JournalEntry task(const char* name) const {
    JournalEntry entry;
    entry.task = name;
    entry.earlier = {{"before", 3, 1.0, 0.5, -0.9, 0.1}};
    entry.own = TaskChange{name, 3, 0, 1, 1, 1};
    return entry;
  }
  float first_value(const std::filesystem::path& adapter) const {
    return load_peft(adapter, tiny.model.config()).values().ptr<float>()[0];
  }

  test::ServingBench tiny;
  TemporaryFolder folder;
  RunFolder run{folder.path() / "mine"};
};

TEST(Journal, TheLatestThatWasDeployedIsWhatAnswersAfterARestart) {
  const Kept k;
  {
    Journal journal(k.run);
    EXPECT_TRUE(journal.deployed().empty());
    EXPECT_EQ(journal.deploy(k.task("a"), k.tiny.adapter(1), "base").number, 1);
    JournalEntry refused = k.task("b");
    refused.kind = JournalEntry::kRefused;
    EXPECT_EQ(journal.add(refused).number, 2);
    EXPECT_EQ(journal.deploy(k.task("c"), k.tiny.adapter(2), "base").number, 3);
  }
  Journal again(k.run);
  ASSERT_EQ(again.entries().size(), 3u);
  EXPECT_EQ(again.entries()[0].earlier[0].before, 1.0);
  EXPECT_EQ(again.entries()[0].own->after, 1.0);
  EXPECT_EQ(k.first_value(again.deployed()), k.tiny.adapter(2).values().ptr<float>()[0]);
  EXPECT_EQ(again.of_task("b")->kind, JournalEntry::kRefused);
  EXPECT_EQ(again.of_task("nobody"), nullptr);
  EXPECT_EQ(again.of_task(""), nullptr);
}

TEST(Journal, AnyDeployedStateCanBeGoneBackToAndNothingElse) {
  const Kept k;
  Journal journal(k.run);
  journal.deploy(k.task("a"), k.tiny.adapter(1), "base");
  JournalEntry refused = k.task("b");
  refused.kind = JournalEntry::kRefused;
  journal.add(refused);
  journal.deploy(k.task("c"), k.tiny.adapter(2), "base");
  for (const int64_t none : {0, 2, 9}) {
    try {
      journal.roll_back(none);
      ADD_FAILURE() << none;
    } catch (const RequestError& e) {
      EXPECT_EQ(e.status, kNotFound);
    }
  }
  EXPECT_EQ(journal.roll_back(1).number, 4);
  EXPECT_EQ(k.first_value(Journal(k.run).deployed()), k.tiny.adapter(1).values().ptr<float>()[0]);
}

TEST(Journal, AnAdapterThatIsGoneIsNotDeployed) {
  const Kept k;
  Journal journal(k.run);
  journal.deploy(k.task("a"), k.tiny.adapter(1), "base");
  const auto second = journal.deploy(k.task("b"), k.tiny.adapter(2), "base");
  std::filesystem::remove_all(k.run.path() / second.adapter);
  EXPECT_EQ(k.first_value(Journal(k.run).deployed()), k.tiny.adapter(1).values().ptr<float>()[0]);
}

}  // namespace
}  // namespace ilora
