// DER++ against its definition (Buzzega et al. 2020): what is kept with a row, what the two terms of a
// step are, and which rows they are of.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/method_loop.h"

namespace ilora::testing {
namespace {

// At each labelled position of a row under the fast learner: all logits.
std::vector<std::vector<double>> logits_of(MethodLoop& loop, const Row& row) {
  std::vector<std::vector<double>> all;
  loop.tiny.engine().all_logits(std::span(row.tokens).first(static_cast<size_t>(row.length())),
                                {{&loop.run.fast(), 1.0, {}}},
                                [&](size_t position, std::span<const float> logits) {
                                  if (static_cast<int64_t>(position) >= row.first_label())
                                    all.emplace_back(logits.begin(), logits.end());
                                });
  return all;
}

double log_sum_exp(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += std::exp(v);
  return std::log(sum);
}

// T^2 KL(kept || now), the mean over a row's labels.
double divergence(MethodLoop& loop, const Row& row, double temperature) {
  const TopLogits& kept = row.top_logits;
  std::vector<std::vector<double>> now = logits_of(loop, row);
  double sum = 0;
  for (size_t label = 0; label < now.size(); ++label) {
    for (double& x : now[label]) x /= temperature;
    const double below = log_sum_exp(now[label]);
    std::vector<double> told;
    const auto first = label * static_cast<size_t>(kept.k);
    for (size_t i = first; i < first + static_cast<size_t>(kept.k); ++i)
      told.push_back(static_cast<double>(kept.logits[i]) / temperature);
    const double total = log_sum_exp(told);
    for (size_t i = 0; i < told.size(); ++i) {
      const auto token = static_cast<size_t>(kept.tokens[first + i]);
      sum += std::exp(told[i] - total) * (told[i] - total - now[label][token] + below);
    }
  }
  return temperature * temperature * sum / static_cast<double>(now.size());
}

double cross_entropy(MethodLoop& loop, const std::vector<const Row*>& rows) {
  double sum = 0;
  for (const double loss : loop.run.losses(loop.run.fast(), rows)) sum += loss;
  return sum / static_cast<double>(rows.size());
}

TEST(TopLogits, AreTheLargestOfEachLabelInTheirOrder) {
  MethodLoop loop("derpp");
  loop.learn(0, 6);
  const Row& row = loop.rows[0][3];
  const auto all = logits_of(loop, row);
  const TopLogits top = loop.run.top_logits(loop.run.fast(), row, 5);
  ASSERT_EQ(top.k, 5);
  ASSERT_EQ(top.tokens.size(), 5 * all.size());
  for (size_t label = 0; label < all.size(); ++label) {
    std::vector<double> sorted = all[label];
    std::ranges::sort(sorted, std::greater<>());
    for (size_t i = 0; i < 5; ++i) {
      const float logit = top.logits[5 * label + i];
      EXPECT_EQ(logit, static_cast<float>(sorted[i]));
      EXPECT_EQ(logit,
                static_cast<float>(all[label][static_cast<size_t>(top.tokens[5 * label + i])]));
    }
  }
  const int64_t vocabulary = loop.run.config().vocabulary;
  EXPECT_EQ(loop.run.top_logits(loop.run.fast(), row, 1 << 20).k, vocabulary);
}

TEST(DarkExperienceReplay, TheTermsAreThoseOfTheDefinition) {
  for (const char* second : {"derpp.second_draw=true", "derpp.second_draw=false"}) {
    MethodLoop loop("derpp", {"derpp.alpha=0.7", "derpp.beta=0.3", "derpp.top_k=6",
                              "derpp.temperature=2", second});
    loop.learn(0, 12);
    loop.begin_task(1, 20);
    for (int i = 0; i < 3; ++i) loop.step();
    std::set<std::vector<int32_t>> dark, labelled;
    double expected_dark = 0, expected_loss = 0;
    // Before the update: the adapter that the step's own losses were of.
    loop.watch = [&](const Step& step) {
      const std::vector<Segment>& segments = step.pass.segments;
      const Segment& of_labels = segments.back();
      const Segment& of_logits = segments[1];
      for (const Row* row : of_logits.rows) {
        dark.insert(row->tokens);
        EXPECT_EQ(row->top_logits.k, 6);
        expected_dark +=
            0.7 * divergence(loop, *row, 2) / static_cast<double>(of_logits.rows.size());
      }
      for (const Row* row : of_labels.rows) labelled.insert(row->tokens);
      expected_loss =
          cross_entropy(loop, segments[0].rows) + 0.3 * cross_entropy(loop, of_labels.rows);
    };
    const PassReport report = loop.step();
    EXPECT_EQ(dark.size(), 4U);
    EXPECT_EQ(dark == labelled, std::string(second).ends_with("false"));
    EXPECT_GT(expected_dark, 1e-3);
    EXPECT_NEAR(report.terms[LossKind::kLogitDistillation], expected_dark, 1e-4 * expected_dark);
    EXPECT_NEAR(report.terms[LossKind::kCrossEntropy], expected_loss, 1e-4 * expected_loss);
  }
}

// The logits are of the adapter as the row entered, and stay.
TEST(DarkExperienceReplay, KeepsWhatTheAdapterSaidAsTheRowEntered) {
  MethodLoop loop("derpp", {"derpp.top_k=3"});
  loop.begin_task(0, 12);
  loop.step();
  const TopLogits then = loop.run.top_logits(loop.run.fast(), loop.rows[0][0], 3);
  for (int i = 0; i < 11; ++i) loop.step();
  EXPECT_NE(loop.run.top_logits(loop.run.fast(), loop.rows[0][0], 3).logits, then.logits);
  loop.method.end_task(loop.run);
  loop.begin_task(1, 30);
  int seen = 0;
  loop.watch = [&](const Step& step) {
    for (const Row* row : step.pass.segments.at(1).rows) {
      if (row->id != loop.rows[0][0].id) continue;
      ++seen;
      EXPECT_EQ(row->top_logits.tokens, then.tokens);
      EXPECT_EQ(row->top_logits.logits, then.logits);
    }
  };
  for (int i = 0; i < 30; ++i) loop.step();
  EXPECT_GT(seen, 0);
}

TEST(DarkExperienceReplay, WithoutLabelsItIsDerAndWithoutLogitsReplay) {
  MethodLoop dark("derpp", {"derpp.beta=0"}), labels("derpp", {"derpp.alpha=0"});
  for (MethodLoop* loop : {&dark, &labels}) {
    loop->learn(0, 8);
    loop->begin_task(1, 8);
  }
  const PassReport of_dark = dark.step(), of_labels = labels.step();
  EXPECT_GT(of_dark.terms[LossKind::kLogitDistillation], 0);
  EXPECT_EQ(of_labels.terms[LossKind::kLogitDistillation], 0);
  for (const MethodLoop* loop : {&dark, &labels}) EXPECT_EQ(loop->pass.segments.size(), 2U);
}

TEST(DarkExperienceReplay, RefusesLogitsOfOtherLabels) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  ASSERT_EQ(run_ilora(folder, train_arguments(tiny_settings(
                                  run, "derpp", {"train.epochs=1", "data.tasks=alpha"})))
                .code,
            0);
  const Outcome outcome =
      run_ilora(folder, {"train", "--continue", run, "--task", data_folder("tiny-tasks/beta"),
                         "--set", "train.train_on_prompt=true"});
  EXPECT_EQ(outcome.code, 2) << outcome.all();
  EXPECT_NE(outcome.err.find("as train.train_on_prompt has it"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace ilora::testing
