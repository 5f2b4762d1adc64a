// The options of replay, seen through the passes that er and ilora plan: how many rows are replayed
// and when, when rows enter the memory, how the two means are weighed; and ilora's presets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>
#include <set>

#include "continual/answer_counts.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

// The trainer's hooks around a method on the tiny tasks, without an optimiser.
class Steps {
 public:
  Steps(const std::string& name, const Settings& settings)
      : tiny(tiny_settings("unused", name, settings)),
        method(tiny.configuration.method()),
        run(tiny.engine(), first(), 1, tiny.recipe().loss(), tiny.comm) {
    for (size_t t = 0; t < tiny.tasks.size(); ++t) rows.push_back(tiny.rows(t));
    run.position.tasks = 3;
  }
  // One step with `batch` rows in a task of 16 rows; visits the pass before rows are remembered.
  template <class Visit>
  void step(int64_t batch, const Visit& visit) {
    const auto& all = rows[static_cast<size_t>(run.position.task)];
    const auto first_row = static_cast<size_t>(run.position.task_step * batch) % all.size();
    const auto current = pointers(all, first_row, static_cast<size_t>(batch));
    run.position.epoch = run.position.task_step * batch / static_cast<int64_t>(all.size());
    const Pass pass = method.plan(run, current);
    run.step_losses = run.run_step(pass);
    visit(pass);
    ++run.position.step;
    ++run.position.task_step;
    run.clear_reported();
    method.after_update(run, current);
  }
  void begin_task(int64_t task, int64_t steps) {
    run.position.task = task;
    run.position.task_step = 0;
    run.position.task_steps = steps;
    method.begin_task(run);
  }
  // Rows replayed in each step of a task.
  std::vector<size_t> replayed(int64_t task, int64_t steps, int64_t batch) {
    std::vector<size_t> counts;
    begin_task(task, steps);
    for (int64_t i = 0; i < steps; ++i) {
      step(batch, [&](const Pass& pass) {
        counts.push_back(pass.segments.size() > 1 ? pass.segments[1].rows.size() : 0);
      });
    }
    return counts;
  }

  TinyRun tiny;
  Method& method;
  Run run;
  std::vector<std::vector<Row>> rows;

 private:
  Adapter first() {
    Adapter adapter(tiny.model(), tiny.recipe().lora);
    adapter.initialise(1, 0);
    return adapter;
  }
};

using Counts = std::vector<size_t>;

TEST(ReplayOptions, TheRatioIsExactOverTheSteps) {
  Steps steps("er", {"er.ratio=0.3"});
  EXPECT_EQ(steps.replayed(0, 4, 4), (Counts{0, 0, 0, 0}));
  EXPECT_EQ(steps.replayed(1, 5, 4), (Counts{1, 1, 1, 1, 2}));  // 1.2, 2.4, 3.6, 4.8, 6.0
  Steps more("er", {"er.ratio=2.5"});
  EXPECT_EQ(more.replayed(0, 8, 2), Counts(8, 0));
  EXPECT_EQ(more.replayed(1, 3, 2), (Counts{5, 5, 5}));
  Steps none("er", {"er.ratio=0"});
  none.replayed(0, 4, 4);
  EXPECT_EQ(none.replayed(1, 3, 4), (Counts{0, 0, 0}));
}

TEST(ReplayOptions, TheRatioMayGrowWithTheTasks) {
  Steps steps("er", {"er.ratio=0.5", "er.ratio_per_task=true"});
  EXPECT_EQ(steps.replayed(0, 4, 4), (Counts{0, 0, 0, 0}));
  EXPECT_EQ(steps.replayed(1, 3, 4), (Counts{2, 2, 2}));
  EXPECT_EQ(steps.replayed(2, 3, 4), (Counts{4, 4, 4}));
}

TEST(ReplayOptions, TheIntervalIsCountedInEachTask) {
  for (const char* name : {"er", "ilora"}) {
    const std::string method = name;
    Steps steps(method, {method + ".interval=3"});
    EXPECT_EQ(steps.replayed(0, 4, 4), (Counts{0, 0, 0, 0}));
    EXPECT_EQ(steps.replayed(1, 8, 4), (Counts{0, 0, 4, 0, 0, 4, 0, 0}));
    EXPECT_EQ(steps.replayed(2, 4, 4), (Counts{0, 0, 4, 0}));
  }
  Steps growing("er", {"er.interval_growth=2"});
  growing.replayed(0, 4, 4);
  EXPECT_EQ(growing.replayed(1, 8, 4), (Counts{4, 0, 4, 0, 0, 0, 4, 0}));
}

TEST(ReplayOptions, RowsMayEnterBeforeTheirStepAndInEveryEpoch) {
  for (const bool reference : {false, true}) {
    Settings settings = {"er.memory_size=200", "er.ratio=100"};  // replay all there is
    if (reference)
      settings.insert(settings.end(), {"er.insert_first=true", "er.insert_again=true"});
    Steps steps("er", settings);
    steps.replayed(0, 8, 4);  // two epochs
    const size_t before = reference ? 32 : 16;
    EXPECT_EQ(steps.run.reported().at("memory_rows"), static_cast<double>(before));
    EXPECT_EQ(steps.replayed(1, 5, 4),
              reference ? (Counts{36, 40, 44, 48, 52}) : (Counts{16, 20, 24, 28, 32}));
  }
}

TEST(ReplayOptions, TwoMeansWeighCurrentAndReplayedRowsAlike) {
  for (const char* reduction : {"sequence", "token"}) {
    Steps steps("er", {"er.ratio=0.5", "er.two_means=true",
                       std::string("train.loss_reduction=") + reduction});
    steps.replayed(0, 4, 4);
    steps.begin_task(1, 3);
    steps.step(4, [&](const Pass& pass) {
      ASSERT_EQ(pass.segments[1].rows.size(), 2U);
      double expected = 0;
      for (size_t s = 0; s < 2; ++s) {
        double sum = 0, labels = 0, means = 0;
        for (size_t i = 0; i < pass.segments[s].rows.size(); ++i) {
          const double nll = steps.run.step_losses.rows(s, LossKind::kCrossEntropy)[i];
          const auto n = static_cast<double>(pass.segments[s].rows[i]->label_count());
          sum += nll;
          labels += n;
          means += nll / n / static_cast<double>(pass.segments[s].rows.size());
        }
        expected += 0.5 * (std::string(reduction) == "token" ? sum / labels : means);
      }
      EXPECT_NEAR(steps.run.step_losses.total(), expected, 1e-6) << reduction;
    });
  }
}

TEST(ReplayOptions, PastDrawsHaveNoRowOfThePresentTask) {
  for (const char* name : {"er", "ilora"}) {
    const std::string method = name;
    Steps all(method, {}), past(method, {method + ".draw=past"});
    for (Steps* steps : {&all, &past}) {
      steps->replayed(0, 4, 4);
      steps->replayed(1, 4, 4);
    }
    std::map<int32_t, int> of_all, of_past;
    all.begin_task(2, 8);
    past.begin_task(2, 8);
    for (int i = 0; i < 8; ++i) {
      all.step(4, [&](const Pass& pass) {
        for (const Row* row : pass.segments[1].rows) ++of_all[row->task];
      });
      past.step(4, [&](const Pass& pass) {
        for (const Row* row : pass.segments[1].rows) ++of_past[row->task];
      });
    }
    EXPECT_GT(of_all[2], 0) << "else nothing was tested";
    EXPECT_EQ(of_past, (std::map<int32_t, int>{{0, 16}, {1, 16}})) << "two of each in every step";
  }
}

// The step's loss against a x mean of current + (1 - a) x mean over tasks of the mean of their rows.
TEST(ReplayOptions, WeightByTaskGivesEachTaskItsShare) {
  for (const char* reduction : {"sequence", "token"}) {
    Steps steps("er", {"er.weight=by-task", "er.ratio=1.5",
                       std::string("train.loss_reduction=") + reduction});
    steps.replayed(0, 4, 4);
    steps.replayed(1, 4, 4);
    steps.begin_task(2, 6);
    std::set<size_t> tasks;
    for (int i = 0; i < 6; ++i) {
      steps.step(4, [&](const Pass& pass) {
        std::map<int64_t, std::array<double, 3>> sums;  // loss, labels, mean losses; -1: current
        std::map<int64_t, double> rows;
        for (size_t s = 0; s < 2; ++s) {
          for (size_t r = 0; r < pass.segments[s].rows.size(); ++r) {
            const Row& row = *pass.segments[s].rows[r];
            const double nll = steps.run.step_losses.rows(s, LossKind::kCrossEntropy)[r];
            const auto n = static_cast<double>(row.label_count());
            std::array<double, 3>& sum = sums[s == 0 ? -1 : row.task];
            sum[0] += nll, sum[1] += n, sum[2] += nll / n;
            ++rows[s == 0 ? -1 : row.task];
          }
        }
        const bool by_token = std::string(reduction) == "token";
        const auto replayed_tasks = static_cast<double>(sums.size() - 1);
        double expected = 0;
        for (const auto& [task, sum] : sums) {
          const double mean = by_token ? sum[0] / sum[1] : sum[2] / rows[task];
          expected += (task < 0 ? 1.0 / 3 : 2.0 / 3 / replayed_tasks) * mean;
        }
        tasks.insert(sums.size());
        EXPECT_NEAR(steps.run.step_losses.total(), expected, 1e-6) << reduction;
      });
    }
    EXPECT_TRUE(tasks.contains(4)) << "else nothing was tested";
  }
}

TEST(ReplayOptions, ReweighingMultipliesEachRowsWeight) {
  for (const char* weight : {"rows", "by-task"}) {
    const Settings settings = {"er.memory_size=3", std::string("er.weight=") + weight};
    Settings reweighed = settings;
    reweighed.emplace_back("er.reweigh=answers");
    Steps plain("er", settings), steps("er", reweighed);
    for (Steps* s : {&plain, &steps}) {
      s->replayed(0, 4, 4);
      s->begin_task(1, 1);
    }
    std::vector<float> before;
    plain.step(4, [&](const Pass& pass) { before = pass.segments[1].losses[0].row_weights; });
    steps.step(4, [&](const Pass& pass) {
      TaskAnswers shown;
      for (const Row& row : steps.rows[0]) shown.add(row);
      // What the memory holds, all of the first task: all of it is drawn in some order.
      std::vector<Row> memory;
      for (const Row* row : pass.segments[1].rows) memory.push_back(*row);
      if (before.empty()) before.assign(memory.size(), 1.0F);
      const std::vector<float> found = pass.segments[1].losses[0].row_weights;
      ASSERT_EQ(found.size(), memory.size());
      const std::vector<float> expected = shown.weights(pass.segments[1].rows, memory);
      double different = 0;
      for (size_t i = 0; i < found.size(); ++i) {
        EXPECT_NEAR(found[i], before[i] * expected[i], 1e-5);
        different += std::abs(static_cast<double>(expected[i]) - 1);
      }
      EXPECT_GT(different, 0.1) << "else nothing was tested";
    });
  }
}

TEST(ReplayOptions, SurpriseTakesTheLossesOfTheStepsOwnPass) {
  Steps steps("er", {"er.memory_size=5", "er.policy=surprise", "er.surprise_random=0",
                     "er.surprise_cap=100"});
  steps.begin_task(0, 4);
  std::vector<std::pair<double, uint64_t>> losses;
  for (int i = 0; i < 4; ++i) {
    steps.step(4, [&](const Pass& pass) {
      for (size_t r = 0; r < 4; ++r) {
        const Row& row = *pass.segments[0].rows[r];
        losses.emplace_back(steps.run.step_losses.rows(0, LossKind::kCrossEntropy)[r] /
                                static_cast<double>(row.label_count()),
                            row.id);
      }
    });
  }
  std::sort(losses.rbegin(), losses.rend());
  std::set<uint64_t> highest, drawn;
  for (size_t i = 0; i < 5; ++i) highest.insert(losses[i].second);
  steps.begin_task(1, 4);
  steps.tiny.configuration.set({"er.ratio=2"});
  steps.step(4, [&](const Pass& pass) {
    for (const Row* row : pass.segments[1].rows) drawn.insert(row->id);
  });
  EXPECT_EQ(drawn, highest);
}

TEST(ReplayOptions, SurpriseCannotJudgeRowsBeforeTheirStep) {
  Steps steps("er", {"er.policy=surprise", "er.insert_first=true"});
  try {
    steps.method.check(steps.tiny.model());
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    EXPECT_THAT(e.what(), HasSubstr("surprise"));
  }
}

// ---- ilora's presets -----------------------------------------------------------------------

TEST(IloraPreset, ReferencePlansTheLossOfTheReferenceCode) {
  Steps steps("ilora", {"ilora.preset=reference"});
  steps.replayed(0, 8, 4);
  EXPECT_EQ(steps.run.reported().at("memory_rows"), 32.0) << "rows enter in every epoch";
  steps.begin_task(1, 4);
  steps.step(4, [&](const Pass& pass) {
    ASSERT_EQ(pass.segments.size(), 3U);
    ASSERT_EQ(pass.segments[1].losses.size(), 2U);
    const Loss& loss = pass.segments[1].losses[1];
    EXPECT_EQ(loss.kind, LossKind::kConsistency);
    EXPECT_EQ(loss.weight, 1.0);
    const LossParameters& c = loss.parameters;
    std::vector<int64_t> all;
    for (int64_t l = 0; l <= steps.tiny.model().layers; ++l) all.push_back(l);
    EXPECT_EQ(c.layers, all);
    EXPECT_EQ(c.positions, Positions::kAll);
    EXPECT_TRUE(c.one_sided);
    EXPECT_FALSE(c.normalise);
  });
  EXPECT_EQ(steps.run.reported().at("lambda"), 0.25);
  EXPECT_EQ(steps.method.deployed(), "fast");
}

TEST(IloraPreset, PaperIsTheDefaults) {
  Configuration plain, paper;
  paper.set({"ilora.preset=reference", "ilora.preset=paper"});
  for (const std::string& key : plain.options.keys())
    EXPECT_EQ(paper.options.value_text(key), plain.options.value_text(key)) << key;
}

TEST(IloraPreset, WhatIsGivenWinsAndTheConfigurationShowsWhatIsSet) {
  Configuration configuration;
  configuration.set({"ilora.lambda=0.9", "ilora.preset=reference", "ilora.deploy=slow"});
  EXPECT_EQ(configuration.options.value_text("ilora.lambda"), "0.9");
  EXPECT_EQ(configuration.options.value_text("ilora.deploy"), "slow");
  const std::string yaml = configuration.options.to_yaml();
  for (const char* line : {"preset: reference", "insert_first: true", "two_means: true",
                           "layers: []", "positions: all", "warm_up_per: task"})
    EXPECT_THAT(yaml, HasSubstr(line));
  Configuration again;
  again.options.load_yaml_text(yaml, "config.yaml");
  EXPECT_EQ(again.options.to_yaml(), yaml);
}

}  // namespace
}  // namespace ilora::testing
