#include "serve/answering.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/request_error.h"
#include "tests/unit/serve/serving_bench.h"

namespace ilora {
namespace {

using namespace std::chrono_literals;
using test::ServingBench;

std::vector<int32_t> prompt_of(int32_t i) {
  std::vector<int32_t> tokens;
  for (int32_t t = 0; t < 3 + 5 * (i % 7); ++t) tokens.push_back(20 + (i * 31 + t * 7) % 700);
  return tokens;
}

Question question_of(ServingBench& tiny, int32_t i) {
  Question question{tiny.learner(static_cast<uint64_t>(i % 3)), prompt_of(i)};
  question.max_new_tokens = 4 + i % 9;
  question.sampling.temperature = i % 2 == 0 ? 0 : 0.8;
  question.sampling.seed = static_cast<uint64_t>(i);
  return question;
}

AnswerPart whole(Answer& answer) {
  AnswerPart all;
  while (auto part = answer.next(Answer::Clock::now() + 60s)) {
    all.text += part->text;
    all.scores.insert(all.scores.end(), part->scores.begin(), part->scores.end());
  }
  return all;
}

int status_of_asking(Answering& answering, Question question) {
  try {
    answering.ask(std::move(question));
  } catch (const RequestError& e) {
    return e.status;
  }
  return 200;
}

TEST(Answering, ManyAtOnceSayWhatEachSaysAlone) {
  constexpr int32_t kQuestions = 24;
  ServingBench tiny;
  // What generate() says under the same adapter, prompt by prompt.
  std::vector<std::string> expected;
  for (int32_t i = 0; i < kQuestions; ++i) {
    const Question q = question_of(tiny, i);
    GenerateOptions options;
    options.max_new_tokens = q.max_new_tokens;
    options.sampling = q.sampling;
    options.stop = tiny.bench.encoder.stop_tokens();
    options.tokens = tiny.model.tokenizer.used_size();
    const auto made =
        generate(tiny.bench.engine, q.learner->answerer.uses, {&q.prompt, 1}, options);
    expected.push_back(tiny.model.tokenizer.decode(made.front()));
  }
  RightOfWay way;
  Answering answering(tiny.bench, way, {3, 256, kQuestions, 1});
  std::vector<std::shared_ptr<Answer>> answers;
  for (int32_t i = 0; i < kQuestions; ++i) answers.push_back(answering.ask(question_of(tiny, i)));
  std::set<std::string> different;
  for (size_t i = 0; i < answers.size(); ++i) {
    const std::string text = whole(*answers[i]).text;
    EXPECT_EQ(text, expected[i]) << "question " << i;
    different.insert(text);
  }
  EXPECT_GT(different.size(), 12u) << "the questions tell learners apart";
  const AnsweringCounts counts = answering.counts();
  EXPECT_EQ(counts.asked, kQuestions);
  EXPECT_EQ(counts.waiting, 0);
}

TEST(Answering, AStopTextEndsAnAnswerAndIsNoPartOfIt) {
  ServingBench tiny;
  RightOfWay way;
  Answering answering(tiny.bench, way, {2, 256, 8, 1});
  Question question = question_of(tiny, 3);
  question.max_new_tokens = 12;
  question.sampling.temperature = 0;
  const auto free = answering.ask(question);
  const std::string text = whole(*free).text;
  ASSERT_GT(text.size(), 3u);
  EXPECT_EQ(free->ending(), Ending::kLength);
  question.stops = {text.substr(2, 1)};
  const auto stopped = answering.ask(question);
  EXPECT_EQ(whole(*stopped).text, text.substr(0, text.find(question.stops[0])));
  EXPECT_EQ(stopped->ending(), Ending::kStop);
}

TEST(Answering, ScoresAreThoseOfTheEngine) {
  ServingBench tiny;
  Question question{tiny.learner(1), prompt_of(4)};
  question.scores = question.prompt_scores = true;
  question.alternatives = 3;
  std::vector<double> expected;
  tiny.bench.engine.all_logits(
      question.prompt, question.learner->answerer.uses,
      [&](size_t at, std::span<const float> logits) {
        if (at + 1 == question.prompt.size()) return;
        double total = 0;
        for (const float logit : logits) total += std::exp(static_cast<double>(logit));
        expected.push_back(logits[static_cast<size_t>(question.prompt[at + 1])] - std::log(total));
      });
  RightOfWay way;
  Answering answering(tiny.bench, way, {1, 256, 8, 1});
  const auto only_prompt = answering.ask(question);  // max_new_tokens 0
  const std::vector<TokenScore> scores = whole(*only_prompt).scores;
  ASSERT_EQ(scores.size(), question.prompt.size());
  EXPECT_FALSE(scores.front().logprob);
  for (size_t i = 1; i < scores.size(); ++i) {
    EXPECT_EQ(scores[i].token, question.prompt[i]);
    EXPECT_NEAR(*scores[i].logprob, expected[i - 1], 1e-6);
    ASSERT_EQ(scores[i].likeliest.size(), 3u);
    EXPECT_GE(scores[i].likeliest[0].second, scores[i].likeliest[1].second);
    EXPECT_GE(scores[i].likeliest[0].second, *scores[i].logprob);
  }
  question.max_new_tokens = 2;
  const auto more = answering.ask(question);
  EXPECT_EQ(whole(*more).scores.size(), question.prompt.size() + 2);
}

TEST(Answering, WhatDoesNotFitIsRefusedAtOnce) {
  ServingBench tiny;
  RightOfWay way;
  Answering answering(tiny.bench, way, {1, 64, 2, 1});
  Question question = question_of(tiny, 1);
  question.prompt.assign(64, 30);
  EXPECT_EQ(status_of_asking(answering, question), kBadRequest);
  question.prompt.resize(40);
  question.max_new_tokens = 1000;  // up to the context
  const auto full = answering.ask(question);
  whole(*full);
  EXPECT_EQ(full->ending(), Ending::kLength);
  EXPECT_EQ(full->tokens(), 64 - 40 + 1);
  std::vector<std::shared_ptr<Answer>> waiting;
  int status = 200;
  for (int i = 0; i < 10 && status == 200; ++i) status = status_of_asking(answering, question);
  EXPECT_EQ(status, kTooMany);
  answering.finish(60s);
  EXPECT_EQ(answering.counts().answering + answering.counts().waiting, 0);
  EXPECT_EQ(status_of_asking(answering, question), kUnavailable);
}

TEST(Answering, ACancelledAnswerGivesItsSlotBack) {
  ServingBench tiny;
  RightOfWay way;
  Answering answering(tiny.bench, way, {1, 2048, 8, 1});
  Question question = question_of(tiny, 2);
  question.max_new_tokens = 2000;
  const auto given_up = answering.ask(question);
  given_up->next(Answer::Clock::now() + 60s);
  given_up->cancel();
  question.max_new_tokens = 3;
  const auto next = answering.ask(question);
  whole(*next);
  EXPECT_EQ(next->tokens(), 3);
  EXPECT_LT(given_up->tokens(), 2000);
  EXPECT_EQ(answering.counts().cancelled, 1);
}

TEST(Answering, AnAdapterWithoutNumbersFailsAloneAndSaysSo) {
  ServingBench tiny;
  Adapter bad = tiny.adapter(1);
  for (int64_t i = 0; i < bad.values().size(); ++i) bad.values().ptr<float>()[i] = 1e38f;
  RightOfWay way;
  Answering answering(tiny.bench, way, {2, 256, 8, 1});
  Question question = question_of(tiny, 2);
  question.learner =
      std::make_shared<const ServedLearner>("bad", tiny.bench.engine, std::move(bad));
  const auto failed = answering.ask(question), fine = answering.ask(question_of(tiny, 2));
  EXPECT_THROW(whole(*failed), Error);
  EXPECT_NO_THROW(whole(*fine));
}

}  // namespace
}  // namespace ilora
