// When er and ilora fill and draw their memory, seen through the passes that they plan.
#include <gtest/gtest.h>

#include <set>

#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

// Rows of a state by name, as a checkpoint would save them.
class RowsOf : public StateVisitor {
 public:
  explicit RowsOf(Method& method) { method.visit(*this); }
  void value(const std::string& name, int64_t& x) override { numbers[name] = x; }
  void value(const std::string&, double&) override {}
  void count(const std::string& name, int64_t& n) override { numbers[name] = n; }
  void vector(const std::string&, Tensor) override {}
  void rows(const std::string&, std::vector<Row>& rows) override { kept = rows; }

  std::map<std::string, int64_t> numbers;
  std::vector<Row> kept;
};

class Replaying : public ::testing::TestWithParam<const char*> {};

TEST_P(Replaying, ARowEntersOnceInItsFirstEpochAndReplayBeginsWithTheSecondTask) {
  const std::string name = GetParam();
  TinyRun tiny(tiny_settings("unused", name, {name + ".memory_size=100"}));
  Method& method = tiny.configuration.method();
  Adapter adapter(tiny.model(), tiny.recipe().lora);
  adapter.initialise(1, 0);
  ilora::Run run(tiny.engine(), std::move(adapter), 1, tiny.recipe().loss(), tiny.comm);
  run.position.tasks = 3;
  std::vector<std::vector<Row>> rows;
  for (size_t t = 0; t < 3; ++t) rows.push_back(tiny.rows(t));

  for (int64_t task = 0; task < 3; ++task) {
    run.position.task = task;
    run.position.task_steps = 8;
    method.begin_task(run);
    for (int64_t step = 0; step < 8; ++step) {  // two epochs of four steps
      run.position.task_step = step;
      run.position.epoch = step / 4;
      const auto current =
          pointers(rows[static_cast<size_t>(task)], static_cast<size_t>(step % 4) * 4, 4);
      const Pass pass = method.plan(run, current);
      ASSERT_EQ(pass.segments[0].rows, current);
      if (task == 0) {
        EXPECT_EQ(pass.segments.size(), 1U) << "nothing is replayed in the first task";
      } else {
        ASSERT_EQ(pass.segments.size(), name == "er" ? 2U : 3U);
        EXPECT_EQ(pass.segments[1].rows.size(), current.size());
        EXPECT_EQ(pass.segments[1].losses[0].weight, 1.0);
        std::set<uint64_t> drawn;
        for (const Row* row : pass.segments[1].rows) {
          drawn.insert(row->id);
          // In its first epoch a task's own rows may be in memory already, but only those whose
          // step is done.
          EXPECT_LE(row->task, task);
        }
        EXPECT_EQ(drawn.size(), current.size()) << "a row is drawn twice";
        if (name == "ilora") {
          EXPECT_EQ(pass.segments[2].rows, pass.segments[1].rows);
          EXPECT_FALSE(pass.segments[2].has_gradient());
          EXPECT_EQ(pass.segments[2].uses[0].adapter, run.find("slow"));
        }
      }
      const RowsOf before(method);
      for (const Row* row : current) {
        for (const Row& kept : before.kept)
          EXPECT_TRUE(run.position.epoch > 0 || kept.id != row->id)
              << "a row enters before its step";
      }
      ++run.position.step;
      method.after_update(run, current);
      const RowsOf after(method);
      const int64_t seen = task * 16 + std::min<int64_t>(step + 1, 4) * 4;
      EXPECT_EQ(after.numbers.at(name + ".memory.seen"), seen);
      std::set<uint64_t> ids;
      for (const Row& row : after.kept) ids.insert(row.id);
      EXPECT_EQ(static_cast<int64_t>(ids.size()), seen)
          << "a row is kept twice, or a replayed one entered again";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, Replaying, ::testing::Values("er", "ilora"),
                         [](const auto& method) { return std::string(method.param); });

}  // namespace
}  // namespace ilora::testing
