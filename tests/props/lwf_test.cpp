// LwF against its definition (Li and Hoiem 2016): what the term of a step is, and what it holds.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/method_loop.h"

namespace ilora::testing {
namespace {

using Distribution = std::vector<double>;

// At each labelled position of a row: the distribution over tokens, at a temperature.
std::vector<Distribution> told_by(MethodLoop& loop, const Adapter& adapter, const Row& row,
                                  double temperature) {
  std::vector<Distribution> told;
  const auto length = static_cast<size_t>(row.length());
  const auto first = static_cast<size_t>(row.first_label(Labels::kAnswer));
  loop.tiny.engine().all_logits(
      std::span(row.tokens).first(length), {{&adapter, 1.0, {}}},
      [&](size_t position, std::span<const float> logits) {
        if (position < first) return;
        Distribution& p = told.emplace_back();
        double sum = 0;
        for (const float x : logits) sum += std::exp(static_cast<double>(x) / temperature);
        for (const float x : logits)
          p.push_back(std::exp(static_cast<double>(x) / temperature) / sum);
      });
  return told;
}

// The mean over rows of the mean over their labels of T^2 KL(before || now).
double divergence(MethodLoop& loop, const std::vector<const Row*>& rows, double temperature) {
  double sum = 0;
  for (const Row* row : rows) {
    const auto before = told_by(loop, *loop.run.find("before"), *row, temperature);
    const auto now = told_by(loop, loop.run.fast(), *row, temperature);
    double of_row = 0;
    for (size_t i = 0; i < before.size(); ++i) {
      for (size_t v = 0; v < before[i].size(); ++v)
        of_row += before[i][v] * std::log(before[i][v] / now[i][v]);
    }
    sum += temperature * temperature * of_row / static_cast<double>(before.size());
  }
  return sum / static_cast<double>(rows.size());
}

double term_of(const PassReport& report) {
  return report.terms[LossKind::kLogitDistillation];
}

TEST(Lwf, TheTermIsTheDivergenceFromTheAdapterBeforeTheTask) {
  for (const double temperature : {2.0, 1.0}) {
    MethodLoop loop("lwf", {"lwf.weight=0.5", fmt::format("lwf.temperature={}", temperature)});
    loop.learn(0, 12);
    const std::vector<float> learned = loop.fast();
    loop.begin_task(1, 20);
    EXPECT_NEAR(term_of(loop.step()), 0.0, 1e-6) << "nothing has moved yet";
    for (int i = 0; i < 3; ++i) loop.step();
    EXPECT_EQ(values_of(loop.run.find("before")->values()), learned);
    const auto rows = pointers(loop.rows[1], 16 % loop.rows[1].size(), 4);
    const double expected = 0.5 * divergence(loop, rows, temperature);
    const double term = term_of(loop.step());
    EXPECT_GT(term, 1e-3);
    EXPECT_NEAR(term, expected, 1e-4 * expected);  // the engine computes in float
  }
}

TEST(Lwf, EachTaskHoldsToTheAdapterRightBeforeIt) {
  MethodLoop loop("lwf");
  loop.learn(0, 6);
  EXPECT_EQ(loop.run.find("before"), nullptr) << "the first task has nothing before it";
  for (const int64_t task : {1, 2}) {
    const std::vector<float> learned = loop.fast();
    loop.learn(task, 6);
    EXPECT_EQ(values_of(loop.run.find("before")->values()), learned);
  }
}

TEST(Lwf, TheHeavierTheTermTheLessMoves) {
  double last = 1e9;
  for (const char* weight : {"lwf.weight=0.1", "lwf.weight=1", "lwf.weight=20"}) {
    MethodLoop loop("lwf", {weight});
    loop.learn(0, 12);
    loop.learn(1, 16);
    const double moved = divergence(loop, pointers(loop.rows[1]), 2.0);
    EXPECT_LT(moved, 0.8 * last) << weight;
    last = moved;
  }
}

}  // namespace
}  // namespace ilora::testing
