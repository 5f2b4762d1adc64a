// `one` and `mtl`, which bound what continual methods do: each against naive training.
#include <gtest/gtest.h>

#include <map>

#include "tests/method_loop.h"

namespace ilora::testing {
namespace {

std::vector<float> answer(MethodLoop& loop, int64_t task) {
  const Answerer answerer = loop.method.answer_with(loop.run, "fast", task);
  EXPECT_EQ(answerer.uses.size(), 1U);
  return values_of(answerer.uses.at(0).adapter->values());
}

TEST(OneAdapter, IsNaiveTrainingOnEachTaskAlone) {
  std::vector<std::vector<float>> alone;
  for (const int64_t task : {0, 1, 2}) {
    MethodLoop seq("seq");
    seq.learn(task, 8);
    alone.push_back(seq.fast());
  }
  MethodLoop one("one");
  const std::vector<float> start = one.fast();
  for (int64_t task = 0; task < 3; ++task) EXPECT_EQ(answer(one, task), start);
  for (int64_t task = 0; task < 3; ++task) {
    one.learn(task, 8);
    for (int64_t t = 0; t < 3; ++t) {
      EXPECT_EQ(answer(one, t), t <= task ? alone[static_cast<size_t>(t)] : start)
          << "task " << t << " after task " << task;
    }
  }
  EXPECT_NE(alone[0], alone[1]);
  EXPECT_EQ(one.method.scored(one.run), std::vector<std::string>{"fast"});
}

// A run that resumes inside a task calls begin_task again.
TEST(OneAdapter, GoesOnInsideATask) {
  MethodLoop one("one"), undisturbed("one");
  for (MethodLoop* loop : {&one, &undisturbed}) {
    loop->learn(0, 4);
    loop->begin_task(1, 8);
    for (int i = 0; i < 4; ++i) loop->step();
  }
  one.method.begin_task(one.run);
  for (int i = 0; i < 4; ++i) {
    one.step();
    undisturbed.step();
  }
  EXPECT_EQ(one.fast(), undisturbed.fast());
}

TEST(JointTraining, ShufflesAllTasksIntoOneOfAsManySteps) {
  const TemporaryFolder folder;
  // 16 rows in batches of 5 make 4 steps an epoch and task, 12 for the sequence; all 48 rows at
  // once would take 10.
  const Settings settings = {"train.batch_size=5", "train.epochs=2", "eval.matrix=diagonal",
                             "data.test_rows=1"};
  std::map<std::string, std::vector<Json>> steps;
  for (const std::string method : {"seq", "mtl"}) {
    TinyRun tiny(tiny_settings(folder / method, method, settings));
    Trainer trainer(tiny.recipe(), tiny.configuration.options, tiny.configuration.method(),
                    *tiny.bench, tiny.tasks);
    trainer.run();
    steps[method] = events(folder / method);
  }
  ASSERT_EQ(steps["seq"].size(), 24U);
  ASSERT_EQ(steps["mtl"].size(), 24U);
  for (size_t i = 0; i < 24; ++i) {
    EXPECT_EQ(steps["mtl"][i].at("task"), "all tasks");
    EXPECT_EQ(steps["mtl"][i].at("epoch"), i / 10) << "an epoch is one shuffle of all rows";
  }
  // The first shuffle trains on every row of the sequence's first epochs once: as many tokens.
  int64_t all = 0, shuffle = 0;
  for (size_t i = 0; i < 24; ++i) {
    if (steps["seq"][i].at("epoch") == 0) all += steps["seq"][i].at("tokens").get<int64_t>();
    if (i < 10) shuffle += steps["mtl"][i].at("tokens").get<int64_t>();
  }
  EXPECT_EQ(shuffle, all);
  EXPECT_LT(steps["mtl"][22].at("learning_rate").get<double>(),
            0.2 * steps["mtl"][3].at("learning_rate").get<double>())
      << "one schedule over all steps";
}

}  // namespace
}  // namespace ilora::testing
