#include "serve/budget.h"

#include <gtest/gtest.h>

#include "model/prompt_pool.h"
#include "tests/unit/serve/serving_bench.h"

namespace ilora {
namespace {

std::vector<RowScore> scores(int right, int count) {
  std::vector<RowScore> rows(static_cast<size_t>(count));
  for (int i = 0; i < right; ++i) rows[static_cast<size_t>(i)].score = 1;
  return rows;
}

bool refused(int before, int after, int count, bool sample, bool strict = false) {
  BudgetOptions options;
  options.strict = strict;
  BudgetProbe probe;
  probe.budget = options.budget;
  probe.sample = sample;
  return exceeds(change_of("t", scores(before, count), scores(after, count), options), probe,
                 options);
}

TEST(Budget, WhatWasTaughtIsToBeKeptRowByRow) {
  EXPECT_FALSE(refused(3, 3, 3, false));
  EXPECT_TRUE(refused(3, 2, 3, false)) << "one of three answers is lost";
  EXPECT_FALSE(refused(2, 3, 3, false));
}

TEST(Budget, OfASampleALossCountsWhereItIsMoreThanNoise) {
  EXPECT_FALSE(refused(50, 49, 64, true)) << "one row of 64 may be chance";
  EXPECT_TRUE(refused(64, 32, 64, true));
  EXPECT_TRUE(refused(50, 49, 64, true, true)) << "strict: the rows cannot rule a loss out";
  EXPECT_FALSE(refused(50, 50, 64, true, true));
}

TEST(Budget, AChangeIsThatOfItsRows) {
  const TaskChange change = change_of("t", scores(8, 10), scores(5, 10), {});
  EXPECT_EQ(change.rows, 10);
  EXPECT_DOUBLE_EQ(change.before, 0.8);
  EXPECT_DOUBLE_EQ(change.after, 0.5);
  EXPECT_LE(change.low, -0.3);
  EXPECT_GE(change.high, -0.3);
  EXPECT_EQ(change_of("none", {}, {}, {}).rows, 0);
}

TEST(Budget, AProbeIsEvenlyPickedRows) {
  TaskEval task;
  for (int64_t i = 0; i < 10; ++i) task.rows.push_back({"", "", i});
  const TaskEval probe = probe_of(task, 4);
  ASSERT_EQ(probe.rows.size(), 4u);
  EXPECT_EQ(probe.rows[0].row, 0);
  EXPECT_EQ(probe.rows[1].row, 2);
  EXPECT_EQ(probe.rows[3].row, 7);
  EXPECT_EQ(probe_of(task, 99).rows.size(), 10u);
}

TaskEval likelihood_of(const std::string& name, const std::string& prompt,
                       const std::string& answer) {
  TaskEval task;
  task.name = name;
  task.measure = &find_measure("likelihood");
  task.rows.push_back({prompt, answer});
  return task;
}

// A task for which the new state is worse, and one for which it is better: how far it may go.
TEST(Budget, TheWayToANewStateEndsWhereItKeepsToTheBudget) {
  test::ServingBench tiny;
  const Adapter before = tiny.adapter(1), after = tiny.adapter(2);
  Evaluator evaluator(tiny.bench.engine, tiny.bench.encoder, {});
  // By themselves random adapters favour one text or another: find a pair that they disagree on.
  const Answerer old_answerer = answerer_of(tiny.bench.engine, before),
                 new_answerer = answerer_of(tiny.bench.engine, after);
  std::optional<TaskEval> worse, better;
  for (int i = 0; i < 40 && !(worse && better); ++i) {
    TaskEval task = likelihood_of(fmt::format("t{}", i), fmt::format("question {}", i * 7),
                                  fmt::format("answer {}", i * i));
    const double was = evaluator.evaluate(task, old_answerer).score,
                 is = evaluator.evaluate(task, new_answerer).score;
    (is < was ? worse : better) = std::move(task);
  }
  ASSERT_TRUE(worse && better);
  const auto judged = [&](double budget, Adapter& between) {
    const BudgetProbe probe = probe_with(evaluator, *worse, budget, false);
    return judge(evaluator, tiny.bench.engine, {probe}, *better, before, after, between, {});
  };
  Adapter between(tiny.model.config(), before.options());
  const Verdict free = judged(1, between);
  EXPECT_TRUE(free.deploys);
  EXPECT_EQ(free.share, 1);
  EXPECT_EQ(between.values().ptr<float>()[5], after.values().ptr<float>()[5]);
  const Verdict none = judged(-1, between);
  EXPECT_FALSE(none.deploys);
  EXPECT_EQ(none.earlier.size(), 1u);
  EXPECT_LT(none.earlier[0].after, none.earlier[0].before);
  EXPECT_NE(none.reason.find(worse->name), std::string::npos) << none.reason;
}

}  // namespace
}  // namespace ilora
