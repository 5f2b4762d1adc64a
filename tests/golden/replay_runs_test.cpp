// Whole runs under each replay policy and schedule: they differ from the default's, and a run that
// is killed and resumed has the uninterrupted one's bits, whatever its memory keeps between steps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

struct Case {
  const char* name;
  const char* method;
  Settings settings;

  friend std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }
};

// Kills the child once the run has logged `steps` steps.
void kill_after(Child& child, const fs::path& run, int64_t steps) {
  while (child.running() &&
         (!fs::exists(RunFolder(run).path(kMetricsFile)) || count_steps(run) < steps))
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  child.send(SIGKILL);
  EXPECT_EQ(child.wait().signal, SIGKILL) << "the run was over too soon";
}

class ReplayRuns : public ::testing::TestWithParam<Case> {};

TEST_P(ReplayRuns, DifferFromTheDefaultAndResumeToTheSameBits) {
  const TemporaryFolder folder;
  const std::string method = GetParam().method;
  const Settings common = {method + ".memory_size=10", "train.epochs=3", "checkpoint.every=3"};
  Settings settings = common;
  settings.insert(settings.end(), GetParam().settings.begin(), GetParam().settings.end());
  const auto arguments = [&](const char* run, const Settings& more) {
    return train_arguments(tiny_settings(folder / run, method, more));
  };
  ASSERT_EQ(run_ilora(folder, arguments("default", common)).code, 0);
  const Outcome outcome = run_ilora(folder, arguments("whole", settings));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(adapter_bytes(folder / "whole"), adapter_bytes(folder / "default"));

  const fs::path cut = folder / "cut";
  {
    Child child(folder, arguments("cut", settings));
    kill_after(child, cut, 17);  // in the second task
  }
  {
    Child child(folder, {"train", "--resume", cut.string()});
    kill_after(child, cut, 29);  // in the third
  }
  const Outcome resumed = run_ilora(folder, {"train", "--resume", cut.string()});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(adapter_bytes(cut), adapter_bytes(folder / "whole"));
  EXPECT_EQ(events(cut, ""), events(folder / "whole", ""));
  EXPECT_EQ(results_of(cut).at("scores_by"), results_of(folder / "whole").at("scores_by"));

  const Json last = events(cut).back();
  EXPECT_EQ(last.at("memory_rows"), 10);
  EXPECT_GT(last.at("memory_bytes").get<size_t>(), 10 * (sizeof(Row) - sizeof(TopLogits)));
}

INSTANTIATE_TEST_SUITE_P(
    Runs, ReplayRuns,
    ::testing::Values(Case{"ring", "er", {"er.policy=ring"}},
                      Case{"task_balanced", "er", {"er.policy=task-balanced"}},
                      Case{"label_balanced", "ilora", {"ilora.policy=label-balanced"}},
                      Case{"stratified", "ilora", {"ilora.policy=stratified"}},
                      Case{"surprise", "er", {"er.policy=surprise", "er.surprise_random=0.3"}},
                      Case{"ratio", "ilora", {"ilora.ratio=0.3", "ilora.ratio_per_task=true"}},
                      Case{"interval", "er", {"er.interval=2", "er.interval_growth=1.5"}},
                      Case{"past_by_task", "ilora", {"ilora.draw=past", "ilora.weight=by-task"}},
                      Case{"reweigh", "er", {"er.reweigh=answers"}},
                      Case{"kl", "ilora", {"ilora.consistency=kl"}},
                      Case{"young", "ilora", {"ilora.deploy_half_life=0.25"}},
                      Case{"power", "ilora", {"ilora.warm_up_power=3"}},
                      Case{"point", "ilora", {"ilora.point=memory", "ilora.point_rows=3"}},
                      Case{
                          "point_restart",
                          "ilora",
                          {"ilora.point=memory", "ilora.point_rows=3", "ilora.point_restart=true"}},
                      Case{"fisher", "ilora", {"ilora.merge=fisher", "ilora.merge_rows=5"}},
                      Case{"second_moment", "ilora", {"train.reset_optimizer=first"}},
                      Case{"reference", "ilora", {"ilora.preset=reference"}}),
    [](const auto& kind) { return std::string(kind.param.name); });

TEST(ReplayRuns, LimitsOfBytesAndAgeHoldAndResumeToTheSameBits) {
  const TemporaryFolder folder;
  for (const std::string method : {"er", "ilora"}) {
    constexpr int64_t kMost = 2000;
    const Settings limits = {method + ".memory_bytes=2000", method + ".memory_age=1",
                             "train.epochs=3", "checkpoint.every=3"};
    const fs::path whole = folder / (method + "-whole"), cut = folder / (method + "-cut");
    ASSERT_EQ(run_ilora(folder, train_arguments(tiny_settings(whole, method, limits))).code, 0);
    {
      Child child(folder, train_arguments(tiny_settings(cut, method, limits)));
      kill_after(child, cut, 20);
    }
    const Outcome resumed = run_ilora(folder, {"train", "--resume", cut.string()});
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(adapter_bytes(cut), adapter_bytes(whole));
    EXPECT_EQ(events(cut, ""), events(whole, ""));

    for (const Json& step : events(whole)) EXPECT_LE(step.at("memory_bytes"), kMost);
    EXPECT_GT(events(whole).back().at("memory_rows"), 1);
    const Outcome listed = run_ilora(folder, {"memory", "list", whole.string(), "--json"});
    const Json tasks = parse_json(listed.out, "memory").at("tasks");
    ASSERT_EQ(tasks.size(), 3U) << listed.out;
    EXPECT_EQ(tasks[0].at("rows"), 0) << listed.out;
    EXPECT_GT(tasks[1].at("rows"), 0) << listed.out;
  }
}

TEST(ReplayRuns, TheConfigurationShowsWhatAPresetSets) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  const Settings settings = {"train.epochs=1", "data.tasks=alpha", "ilora.preset=reference",
                             "ilora.gamma=0.5"};
  ASSERT_EQ(run_ilora(folder, train_arguments(tiny_settings(run, "ilora", settings))).code, 0);
  const std::string yaml = read_file(RunFolder(run).config());
  for (const char* line : {"preset: reference", "lambda: 0.25", "gamma: 0.5", "one_sided: true"})
    EXPECT_THAT(yaml, HasSubstr(line));
  EXPECT_EQ(results_of(run).at("deployed"), "fast");
}

}  // namespace
}  // namespace ilora::testing
