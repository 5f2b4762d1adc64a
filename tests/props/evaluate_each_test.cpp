// Many adapters evaluated together: what each gets is what it gets alone, and memory does not grow
// with their number.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <set>

#include "base/random.h"
#include "kernels/kernels.h"
#include "model/prompt_pool.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

// `count` adapters with values of their own; every third one has soft prompts too.
struct Many {
  explicit Many(size_t count, const Settings& more = {})
      : tiny(tiny_settings("unused", "seq", more)),
        evaluator(tiny.engine(), tiny.bench->encoder, {8}) {
    for (size_t i = 0; i < count; ++i) {
      LoraOptions options = tiny.recipe().lora;
      if (i % 3 == 2) options.prompts.rows = 3;
      adapters.push_back(std::make_unique<Adapter>(tiny.model(), options));
      const Tensor values = adapters.back()->values();
      const Random random(i + 1, Stream::kAdapterInit);
      for (int64_t k = 0; k < values.size(); ++k)
        values.ptr<float>()[k] =
            static_cast<float>(2.0 * random.uniform(static_cast<uint64_t>(k)) - 1.0);
      answerers.push_back(answerer_of(tiny.engine(), *adapters.back()));
    }
    if (count > 1) answerers.insert(answerers.begin() + 1, Answerer{});  // and the base model
  }
  TaskEval task(const std::string& measure) const {
    return make_task_eval(tiny.tasks[1], Split::kTest, measure);
  }

  TinyRun tiny;
  Evaluator evaluator;
  std::vector<std::unique_ptr<Adapter>> adapters;
  std::vector<Answerer> answerers;
};

void expect_same(const TaskScore& together, const TaskScore& alone, double tolerance) {
  EXPECT_EQ(together.score, alone.score);
  EXPECT_NEAR(together.loss, alone.loss, tolerance * alone.loss);
  ASSERT_EQ(together.rows.size(), alone.rows.size());
  for (size_t i = 0; i < alone.rows.size(); ++i) {
    EXPECT_EQ(together.rows[i].answer, alone.rows[i].answer) << "row " << i;
    EXPECT_EQ(together.rows[i].score, alone.rows[i].score) << "row " << i;
    EXPECT_NEAR(together.rows[i].loss, alone.rows[i].loss, tolerance * alone.rows[i].loss);
  }
}

// Passes of 2,048 tokens hold the rows of several adapters, those of 64 tokens two rows at most.
TEST(EvaluateEach, EqualsOneByOne) {
  for (const char* tokens : {"engine.max_tokens=2048", "engine.max_tokens=64"}) {
    Many many(5, {tokens});
    std::set<std::string> answers;
    for (const char* measure : {"choice", "exact"}) {
      const TaskEval task = many.task(measure);
      const auto together = many.evaluator.evaluate_each(task, many.answerers, {true, true});
      ASSERT_EQ(together.size(), 6U);
      std::set<double> losses;
      for (size_t d = 0; d < together.size(); ++d) {
        const auto alone = many.evaluator.evaluate(task, many.answerers[d], {true, true});
        expect_same(together[d], alone, 1e-5);  // products of another number of rows
        EXPECT_GT(alone.loss, 0);
        losses.insert(alone.loss);
        for (const RowScore& row : alone.rows) answers.insert(row.answer);
      }
      EXPECT_EQ(losses.size(), 6U) << "the adapters differ";
    }
    EXPECT_GT(answers.size(), 2U);
  }
}

// The loss asked for alone is that of the options' likelihoods.
TEST(EvaluateEach, LossAloneIsTheLossBesideTheScore) {
  Many many(3);
  const TaskEval task = many.task("choice");
  const auto both = many.evaluator.evaluate_each(task, many.answerers, {true, true});
  const auto loss = many.evaluator.evaluate_each(task, many.answerers, {false, true});
  for (size_t d = 0; d < both.size(); ++d) {
    const auto likelihoods =
        many.evaluator.option_likelihoods(task.rows, task.options, many.answerers[d]);
    EXPECT_NEAR(loss[d].loss, both[d].loss, 1e-5 * both[d].loss);
    for (size_t i = 0; i < task.rows.size(); ++i) {
      const size_t right = task.rows[i].answer == task.options[0] ? 0 : 1;
      const auto tokens =
          many.tiny.bench->encoder.answer(task.rows[i].answer).size() + 1;  // and the end token
      EXPECT_NEAR(loss[d].rows[i].loss, -likelihoods[i][right] / static_cast<double>(tokens),
                  1e-5 * loss[d].rows[i].loss);
    }
    EXPECT_EQ(loss[d].score, 0);
  }
}

TEST(EvaluateEach, LanesAnswerAsEachAlone) {
  Many many(4);
  std::vector<std::vector<std::vector<int32_t>>> prompts(many.answerers.size());
  std::vector<Lane> lanes;
  for (size_t d = 0; d < many.answerers.size(); ++d) {
    for (const Example& row : many.tiny.tasks[d % 2].test) {
      std::vector<int32_t> ids = many.tiny.bench->encoder.prompt(row.prompt);
      if (many.answerers[d].prefix) ids = many.answerers[d].prefix(ids).before(ids);
      prompts[d].push_back(ids);
      if (d == 2 && prompts[d].size() == 3) break;  // lanes of different lengths
    }
    lanes.push_back({&many.answerers[d].uses, prompts[d]});
  }
  for (const double temperature : {0.0, 1.0}) {
    for (const int64_t batch : {1, 7, 64}) {
      GenerateOptions options;
      options.max_new_tokens = 10;
      options.batch = batch;
      options.sampling = {temperature, 0, 1.0, 9};
      const auto together = generate(many.tiny.engine(), lanes, options);
      for (size_t d = 0; d < lanes.size(); ++d) {
        options.batch = 16;
        EXPECT_EQ(together[d],
                  generate(many.tiny.engine(), many.answerers[d].uses, prompts[d], options))
            << "lane " << d << ", batch " << batch << ", temperature " << temperature;
      }
    }
  }
}

// Values that change between evaluations are seen, and in bf16 each adapter's copy is its own.
TEST(EvaluateEach, CopiesOfAdaptersFollowTheirValues) {
  if (!cpu_features().bf16_possible) GTEST_SKIP() << "this CPU has no bf16";
  Many many(3, {"engine.mode=bf16"});
  const TaskEval task = many.task("choice");
  const auto before = many.evaluator.evaluate_each(task, many.answerers, {false, true});
  const Tensor first = many.adapters[0]->values();
  many.tiny.engine().kernels().scale(first, 0.0);
  const auto after = many.evaluator.evaluate_each(task, many.answerers, {false, true});
  EXPECT_NE(after[0].loss, before[0].loss);
  EXPECT_NEAR(after[0].loss, after[1].loss, 1e-6) << "without LoRA: the base model";
  for (size_t d = 1; d < after.size(); ++d) EXPECT_EQ(after[d].loss, before[d].loss);
}

TEST(EvaluateEach, MemoryDoesNotGrowWithTheNumberOfAdapters) {
  std::vector<size_t> activations;
  std::vector<int64_t> cached;
  for (const size_t count : {4U, 40U}) {
    Many many(count, {"engine.max_tokens=128"});
    for (const char* measure : {"choice", "exact"})
      many.evaluator.evaluate_each(many.task(measure), many.answerers, {true, true});
    activations.push_back(static_cast<size_t>(many.tiny.engine().arena().capacity()));
    cached.push_back(many.tiny.engine().cache(1, 1).tokens());
  }
  EXPECT_GT(activations[0], 0U);
  EXPECT_EQ(activations[1], activations[0]);
  EXPECT_GT(cached[0], 0);
  EXPECT_EQ(cached[1], cached[0]);
}

}  // namespace
}  // namespace ilora::testing
