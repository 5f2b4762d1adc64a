// Evaluation against plain forwards: the cache, the batch and the shared prompt change nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/random.h"
#include "eval/measures/extract.h"
#include "model/peft.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

struct Answering {
  explicit Answering(const Settings& more = {}, int64_t prompts = 0)
      : tiny(tiny_settings("unused", "seq", more)),
        adapter(tiny.model(), with_prompts(tiny.recipe().lora, prompts)),
        evaluator(tiny.engine(), tiny.bench->encoder, {8}) {
    const Random random(5, Stream::kAdapterInit);
    for (int64_t i = 0; i < adapter.layout().size(); ++i)
      adapter.values().ptr<float>()[i] =
          static_cast<float>(0.6 * random.uniform(static_cast<uint64_t>(i)) - 0.3);
    uses = {{&adapter, 1.0, {}}};
  }
  static LoraOptions with_prompts(LoraOptions options, int64_t prompts) {
    options.prompts.rows = prompts;
    return options;
  }
  const Encoder& encoder() const { return tiny.bench->encoder; }

  // Log-probabilities of every token after `tokens`' first, by one plain forward; 0 of soft prompts.
  std::vector<double> log_probabilities(const std::vector<int32_t>& tokens) {
    std::vector<double> found(tokens.size() - 1);
    tiny.engine().all_logits(tokens, uses, [&](size_t at, std::span<const float> logits) {
      if (at + 1 >= tokens.size() || tokens[at + 1] < 0) return;
      double largest = -1e30, sum = 0;
      for (const float x : logits) largest = std::max(largest, static_cast<double>(x));
      for (const float x : logits) sum += std::exp(static_cast<double>(x) - largest);
      found[at] = static_cast<double>(logits[static_cast<size_t>(tokens[at + 1])]) - largest -
                  std::log(sum);
    });
    return found;
  }
  // The token that a plain forward over everything so far finds likeliest.
  int32_t next_token(const std::vector<int32_t>& tokens) {
    int32_t best = -1;
    tiny.engine().all_logits(tokens, uses, [&](size_t at, std::span<const float> logits) {
      if (at + 1 == tokens.size())
        best =
            static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    });
    return best;
  }
  std::vector<std::vector<int32_t>> prompts() const {
    std::vector<std::vector<int32_t>> list;
    for (const TaskText& task : tiny.tasks) {
      for (const Example& row : task.test) list.push_back(encoder().prompt(row.prompt));
    }
    return list;
  }

  TinyRun tiny;
  Adapter adapter;
  Uses uses;
  Evaluator evaluator;
};

TEST(Evaluation, LikelihoodsEqualPlainForwards) {
  for (const char* tokens :
       {"engine.max_tokens=2048", "engine.max_tokens=64"}) {  // one batch, several
    Answering a({tokens});
    const TaskEval task = make_task_eval(a.tiny.tasks[1], Split::kTest, "choice");
    const auto found = a.evaluator.option_likelihoods(task.rows, task.options, {a.uses, {}});
    ASSERT_EQ(found.size(), 8U);
    std::set<double> different;
    for (size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(found[i].size(), 2U);
      for (size_t o = 0; o < 2; ++o) {
        std::vector<int32_t> whole = a.encoder().prompt(task.rows[i].prompt);
        const size_t prompt = whole.size();
        for (const int32_t token : a.encoder().answer(task.options[o])) whole.push_back(token);
        whole.push_back(a.encoder().end_token());
        const auto each = a.log_probabilities(whole);
        double sum = 0;
        for (size_t t = prompt - 1; t < each.size(); ++t) sum += each[t];
        EXPECT_NEAR(found[i][o], sum, 1e-5 * std::abs(sum)) << "row " << i << task.options[o];
        different.insert(found[i][o]);
      }
    }
    EXPECT_GT(different.size(), 8U);
    // And the task's score is the share of rows whose answer is the likelier option.
    double right = 0;
    for (size_t i = 0; i < found.size(); ++i)
      right +=
          task.options[found[i][0] >= found[i][1] ? 0 : 1] == task.rows[i].answer ? 1.0 / 8 : 0.0;
    EXPECT_NEAR(a.evaluator.evaluate(task, {a.uses, {}}).score, right, 1e-12);
  }
}

// A letter that begins an answer is judged without the end token: that would follow it nowhere.
TEST(Evaluation, LettersAreJudgedWithoutTheEndToken) {
  Answering a;
  TaskText text = a.tiny.tasks[1];
  text.definition = *find_task_definition("ScienceQA");
  for (size_t i = 0; i < text.test.size(); ++i) {
    Example& row = text.test[i];
    row.prompt += i % 2 == 0 ? "\nA. x\nB. y\n" : "\nA. x\nB. y\nC. z\n";
    row.answer = "B\nreason";
  }
  const TaskEval task = make_task_eval(text, Split::kTest, "auto");
  ASSERT_EQ(task.options.size(), 3U);
  const auto found = a.evaluator.option_likelihoods(task.rows, task.options, {a.uses, {}}, false);
  double right = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    for (size_t o = 0; o < 3; ++o) {
      std::vector<int32_t> whole = a.encoder().prompt(task.rows[i].prompt);
      const size_t prompt = whole.size();
      for (const int32_t token : a.encoder().answer(task.options[o])) whole.push_back(token);
      const auto each = a.log_probabilities(whole);
      double sum = 0;
      for (size_t t = prompt - 1; t < each.size(); ++t) sum += each[t];
      EXPECT_NEAR(found[i][o], sum, 1e-5 * std::abs(sum)) << "row " << i << task.options[o];
    }
    const size_t offered = i % 2 == 0 ? 2 : 3;
    if (std::max_element(found[i].begin(), found[i].begin() + offered) - found[i].begin() == 1)
      right += 1.0 / static_cast<double>(found.size());
  }
  EXPECT_NEAR(a.evaluator.evaluate(task, {a.uses, {}}).score, right, 1e-12);
}

// Soft prompts that are the embeddings of a text's tokens: the same as that text in front.
TEST(Evaluation, APrefixStandsBeforeEveryPrompt) {
  const auto text = Answering().encoder().prompt("gamma ");
  const auto length = static_cast<int64_t>(text.size());
  Answering a({}, length);
  a.tiny.engine().token_embeddings(soft_prompts(a.adapter.values(), a.adapter.layout()), text);
  const TaskEval task = make_task_eval(a.tiny.tasks[1], Split::kTest, "choice");
  TaskEval spelt_out = task;
  for (Example& row : spelt_out.rows) row.prompt = "gamma " + row.prompt;
  size_t calls = 0;
  const Answerer answerer = {a.uses, [&](std::span<const int32_t> prompt) {
                               EXPECT_FALSE(prompt.empty());
                               ++calls;
                               return Prefix::first(length);
                             }};
  const auto found = a.evaluator.option_likelihoods(task.rows, task.options, answerer);
  EXPECT_EQ(calls, task.rows.size());
  const auto expected = a.evaluator.option_likelihoods(spelt_out.rows, task.options, {a.uses, {}});
  const auto plain = a.evaluator.option_likelihoods(task.rows, task.options, {a.uses, {}});
  for (size_t i = 0; i < found.size(); ++i) {
    const auto joined = a.encoder().prompt(spelt_out.rows[i].prompt);
    auto put_together = text;
    for (const int32_t token : a.encoder().prompt(task.rows[i].prompt))
      put_together.push_back(token);
    ASSERT_EQ(joined, put_together) << "the tokens must join for this comparison";
    EXPECT_EQ(found[i], expected[i]);
    EXPECT_NE(found[i], plain[i]);
  }
}

// As in training: a row has data.max_length tokens behind what stands in front of it.
TEST(Evaluation, APrefixTakesNothingFromThePrompt) {
  Answering a({"data.max_length=12"}, 2);
  TaskEval task = make_task_eval(a.tiny.tasks[1], Split::kTest, "choice");
  for (Example& row : task.rows) row.prompt = "a long beginning that is cut away: " + row.prompt;
  Prefix prefix;
  for (int32_t i = 0; i < 20; ++i) prefix.prompts.push_back(i % 2);  // longer than a row
  const Answerer answerer = {a.uses, [&](std::span<const int32_t>) { return prefix; }};
  size_t longest = 0;
  for (const std::string& option : task.options)
    longest = std::max(longest, a.encoder().answer(option).size());
  const auto found = a.evaluator.option_likelihoods(task.rows, task.options, answerer);
  for (size_t i = 0; i < found.size(); ++i) {
    // The row as it is learned, with the longest option for its answer.
    std::vector<int32_t> asked = a.encoder().prompt(task.rows[i].prompt);
    ASSERT_GT(asked.size(), 12U);
    asked.erase(asked.begin(), asked.end() - static_cast<std::ptrdiff_t>(12 - longest));
    asked = prefix.before(asked);
    for (size_t o = 0; o < task.options.size(); ++o) {
      std::vector<int32_t> whole = asked;
      for (const int32_t token : a.encoder().answer(task.options[o])) whole.push_back(token);
      whole.push_back(a.encoder().end_token());
      const auto each = a.log_probabilities(whole);
      double sum = 0;
      for (size_t t = asked.size() - 1; t < each.size(); ++t) sum += each[t];
      EXPECT_NEAR(found[i][o], sum, 1e-5 * std::abs(sum)) << "row " << i;
    }
  }
}

TEST(Evaluation, GreedyGenerationEqualsPlainForwards) {
  Answering a;
  GenerateOptions options;
  options.max_new_tokens = 12;
  const auto prompts = a.prompts();
  const auto answers = generate(a.tiny.engine(), a.uses, prompts, options);
  for (size_t i = 0; i < prompts.size(); i += 5) {
    std::vector<int32_t> all = prompts[i];
    ASSERT_EQ(answers[i].size(), 12U);  // no stop token is named
    for (const int32_t token : answers[i]) {
      ASSERT_EQ(token, a.next_token(all)) << "prompt " << i;
      all.push_back(token);
    }
  }
}

TEST(Evaluation, BatchesAnswerAsEachPromptAlone) {
  Answering a;
  const auto prompts = a.prompts();
  for (const double temperature : {0.0, 1.0}) {
    GenerateOptions options;
    options.max_new_tokens = 10;
    options.sampling = {temperature, 0, 1.0, 9};
    options.batch = 16;
    const auto together = generate(a.tiny.engine(), a.uses, prompts, options);
    options.batch = 1;
    EXPECT_EQ(generate(a.tiny.engine(), a.uses, prompts, options), together);
    options.batch = 5;
    EXPECT_EQ(generate(a.tiny.engine(), a.uses, prompts, options), together);
    EXPECT_GT(std::set(together.begin(), together.end()).size(), 4U) << "answers differ by prompt";
  }
}

TEST(Evaluation, SamplingIsReproducibleByItsSeed) {
  Answering a;
  const auto prompts = a.prompts();
  GenerateOptions options;
  options.max_new_tokens = 10;
  options.sampling = {1.5, 50, 0.95, 1};
  const auto once = generate(a.tiny.engine(), a.uses, prompts, options);
  EXPECT_EQ(generate(a.tiny.engine(), a.uses, prompts, options), once);
  options.sampling.seed = 2;
  EXPECT_NE(generate(a.tiny.engine(), a.uses, prompts, options), once);
}

TEST(Evaluation, AnswersEndAtStopTokensLimitsAndTheContext) {
  Answering a;
  const auto prompts = a.prompts();
  GenerateOptions options;
  options.max_new_tokens = 6;
  const auto open = generate(a.tiny.engine(), a.uses, {&prompts[0], 1}, options);
  options.stop = {open[0][2]};
  const auto stopped = generate(a.tiny.engine(), a.uses, {&prompts[0], 1}, options);
  const auto first = std::find(open[0].begin(), open[0].end(), open[0][2]);
  EXPECT_EQ(stopped[0], std::vector<int32_t>(open[0].begin(), first));

  options.stop = {};
  options.max_new_tokens = 1000;
  const auto full = generate(a.tiny.engine(), a.uses, {&prompts[0], 1}, options);
  EXPECT_EQ(prompts[0].size() + full[0].size(),
            129U);  // the context's 128 are fed, one more is predicted
}

TEST(Evaluation, PickTokenFollowsTheDistribution) {
  const std::vector<float> logits = {0.0f, 1.0f, 2.0f, -1.0f};
  EXPECT_EQ(pick_token(logits, {}, 0, 0), 2);
  const auto shares = [&](const Sampling& sampling) {
    std::vector<double> share(4);
    for (uint64_t i = 0; i < 20000; ++i)
      share[static_cast<size_t>(pick_token(logits, sampling, 3, i))] += 1.0 / 20000;
    return share;
  };
  // softmax of (0,1,2,-1); five standard deviations of 20,000 draws are below 0.018.
  const std::vector<double> all = {0.0871, 0.2369, 0.6439, 0.0321};
  const auto plain = shares({1.0, 0, 1.0, 1});
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(plain[i], all[i], 0.018);
  const auto two = shares({1.0, 2, 1.0, 1});
  EXPECT_EQ(two[0] + two[3], 0.0);
  EXPECT_NEAR(two[2], 0.7311, 0.018);
  const auto nucleus = shares({1.0, 0, 0.6, 1});  // the first alone holds 0.64
  EXPECT_NEAR(nucleus[2], 1.0, 1e-9);
  const auto cold = shares({0.1, 0, 1.0, 1});
  EXPECT_GT(cold[2], 0.99);
  const auto likely = shares({.temperature = 1.0, .min_p = 0.2});  // of 0.6439: the two largest
  EXPECT_EQ(likely[0] + likely[3], 0.0);
  EXPECT_NEAR(likely[2], 0.7311, 0.018);
}

TEST(Evaluation, APenaltyMakesTokensThatWereThereLessLikely) {
  const std::vector<float> logits = {3.0f, 2.0f, -1.0f, -1.5f};
  Sampling sampling{.repeat_penalty = 2};
  const std::vector<int32_t> all = {1, 0, 0, 2};
  const auto pick = [&](std::span<const float> from, const std::vector<int32_t>& recent) {
    return pick_token(from, sampling, 0, 0, recent);
  };
  EXPECT_EQ(pick(logits, {}), 0);
  EXPECT_EQ(pick(logits, {0}), 1);                        // 1.5 is below 2
  EXPECT_EQ(pick(logits, {0, 1}), 0);                     // 1.5 and 1
  EXPECT_EQ(pick(logits, {0, 1, 1, 0}), 0);               // once, however often
  EXPECT_EQ(pick(std::span(logits).subspan(2), {0}), 1);  // -2 and -1.5
  sampling.repeat_last_n = 2;
  EXPECT_TRUE(std::ranges::equal(sampling.recent(all), std::vector<int32_t>{0, 2}));
  sampling.repeat_last_n = -1;
  EXPECT_EQ(sampling.recent(all).size(), 4U);
  sampling.repeat_last_n = 0;
  EXPECT_TRUE(sampling.recent(all).empty());
  // In an answer: the prompt's tokens count, and greedy answers change.
  Answering a;
  const auto prompts = a.prompts();
  GenerateOptions options;
  options.max_new_tokens = 10;
  const auto plain = generate(a.tiny.engine(), a.uses, prompts, options);
  options.sampling = {.repeat_penalty = 1.5, .repeat_last_n = -1};
  EXPECT_NE(generate(a.tiny.engine(), a.uses, prompts, options), plain);
}

TEST(Evaluation, AnswersEndWhereTheyAreComplete) {
  Answering a;
  const auto prompts = a.prompts();
  GenerateOptions options;
  options.max_new_tokens = 10;
  options.batch = 3;
  const auto whole = generate(a.tiny.engine(), a.uses, prompts, options);
  options.complete = [](size_t index, std::span<const int32_t> answer) {
    return answer.size() == 1 + index % 4;
  };
  const auto cut = generate(a.tiny.engine(), a.uses, prompts, options);
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto size = std::min(whole[i].size(), 1 + i % 4);
    EXPECT_EQ(cut[i], std::vector<int32_t>(whole[i].begin(), whole[i].begin() + size));
  }
}

// Measures of generated text, on an adapter that was trained to say the answers.
TEST(Evaluation, MeasuresOfGeneratedText) {
  const TemporaryFolder folder;
  TinyRun tiny(tiny_settings(folder / "run", "seq", {"train.epochs=20", "data.tasks=alpha"}));
  Trainer trainer(tiny.recipe(), tiny.configuration.options, tiny.configuration.method(),
                  *tiny.bench, tiny.tasks);
  trainer.run();
  EXPECT_GE(*trainer.scores().get("fast", 1, 0), 0.9);
  const Adapter adapter = load_peft(RunFolder(folder / "run").adapter(1, "fast"), tiny.model());
  const Uses uses = {{&adapter, 1.0, {}}};
  Evaluator evaluator(tiny.engine(), tiny.bench->encoder, {4});
  for (const char* measure : {"choice", "choice-generated", "exact"}) {
    const TaskEval task = make_task_eval(tiny.tasks[0], Split::kTest, measure);
    const TaskScore score = evaluator.evaluate(task, {uses, {}});
    EXPECT_GE(score.score, 0.75) << measure;
    for (size_t i = 0; i < score.rows.size(); ++i)
      EXPECT_EQ(score.rows[i].score,
                trimmed(score.rows[i].answer) == trimmed(task.rows[i].answer) ? 1.0 : 0.0);
    EXPECT_LT(evaluator.evaluate(task, {}).score, score.score)
        << "the base model knows none of this";
  }
}

}  // namespace
}  // namespace ilora::testing
