// EWC against its definition (Kirkpatrick et al. 2017): what the Fisher information is a mean of,
// and the penalty that a step adds.
#include <gtest/gtest.h>

#include <cmath>

#include "continual/importance.h"
#include "tests/method_loop.h"

namespace ilora::testing {
namespace {

// The gradient of one row's negative log-likelihood, from a pass of that row alone.
std::vector<float> gradient_of(MethodLoop& loop, const std::vector<const Row*>& rows) {
  const Buffer gradient(DType::kF32, {loop.run.fast().layout().size()});
  const Uses uses = {{&loop.run.fast(), 1.0, gradient.view()}};
  Pass pass{{cross_entropy_segment(rows, uses, loop.run.loss)}};
  pass.segments[0].dropout = false;
  loop.run.run_step(pass);
  std::vector<float> values = values_of(gradient.view());
  // Back from the mean over labels (and rows) to their sum.
  double labels = 0;
  for (const Row* row : rows) labels += static_cast<double>(row->label_count(loop.run.loss.labels));
  for (float& x : values) x = static_cast<float>(static_cast<double>(x) * labels);
  return values;
}

std::vector<double> mean_of_squares(const std::vector<std::vector<float>>& gradients) {
  std::vector<double> mean(gradients.front().size());
  for (const auto& gradient : gradients) {
    for (size_t i = 0; i < mean.size(); ++i)
      mean[i] +=
          std::pow(static_cast<double>(gradient[i]), 2) / static_cast<double>(gradients.size());
  }
  return mean;
}

double relative(const std::vector<float>& a, const std::vector<double>& b) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - b[i], 2);
    norm += b[i] * b[i];
  }
  return std::sqrt(difference / norm);
}

class Fisher : public ::testing::TestWithParam<const char*> {};

// Thirteen rows make two passes, one of them not full; the answers have different lengths.
TEST_P(Fisher, IsTheMeanOverRowsOfSquaredPerSequenceGradients) {
  for (const char* tokens : {"engine.max_tokens=2048", "engine.max_tokens=40"}) {
    MethodLoop loop("ewc", {std::string("train.loss_reduction=") + GetParam(), tokens,
                            "lora.dropout=0.3"});  // dropout is for training alone
    loop.begin_task(0, 6);
    for (int i = 0; i < 6; ++i) loop.step();
    std::vector<const Row*> rows = pointers(loop.rows[1], 0, 8);
    for (const Row* row : pointers(loop.rows[2], 0, 5)) rows.push_back(row);

    const Buffer fisher(DType::kF32, {loop.run.fast().layout().size()});
    add_fisher(loop.run, rows, fisher.view());
    std::vector<std::vector<float>> alone;
    alone.reserve(rows.size());
    for (const Row* row : rows) alone.push_back(gradient_of(loop, {row}));
    EXPECT_LE(relative(values_of(fisher.view()), mean_of_squares(alone)), 1e-5);

    // And the square of the batch's mean gradient is something else.
    auto batch = gradient_of(loop, rows);
    for (float& x : batch) x /= static_cast<float>(rows.size());
    EXPECT_GT(relative(values_of(fisher.view()), mean_of_squares({batch})), 0.3);
  }
}

INSTANTIATE_TEST_SUITE_P(Reductions, Fisher, ::testing::Values("token", "sequence"),
                         [](const auto& reduction) { return std::string(reduction.param); });

// What the method keeps, by name.
class Vectors : public StateVisitor {
 public:
  explicit Vectors(Method& method) { method.visit(*this); }
  void value(const std::string& name, int64_t& x) override { numbers[name] = x; }
  void value(const std::string&, double&) override {}
  void count(const std::string& name, int64_t& n) override { numbers[name] = n; }
  void vector(const std::string& name, Tensor flat) override { kept[name] = values_of(flat); }
  void rows(const std::string&, std::vector<Row>&) override {}

  std::map<std::string, int64_t> numbers;
  std::map<std::string, std::vector<float>> kept;
};

class Penalty : public ::testing::TestWithParam<const char*> {};

TEST_P(Penalty, OfAStepIsTheClosedFormOfWhatIsKept) {
  const bool online = GetParam() == std::string("online");
  constexpr double kLambda = 700;
  MethodLoop loop("ewc", {fmt::format("ewc.lambda={}", kLambda),
                          std::string("ewc.anchors=") + GetParam(), "ewc.gamma=0.5", "ewc.rows=9"});
  loop.begin_task(0, 8);
  for (int i = 0; i < 8; ++i) {
    loop.step();
    EXPECT_TRUE(loop.run.own_terms().empty()) << "no penalty in the first task";
    EXPECT_EQ(loop.edited_gradient, loop.plain_gradient);
  }
  loop.method.end_task(loop.run);
  EXPECT_EQ(Vectors(loop.method).kept.at("ewc.0.values"), loop.fast());
  const auto first_importance = Vectors(loop.method).kept.at("ewc.0.importance");
  loop.learn(1, 8);
  const Vectors kept(loop.method);
  EXPECT_EQ(kept.numbers.at("ewc.anchors"), online ? 1 : 2);
  const std::string newest = online ? "ewc.0." : "ewc.1.";
  EXPECT_EQ(kept.kept.at(newest + "values"), loop.fast());
  if (online) {
    // F <- gamma F + F_t: never below half of the first task's.
    for (size_t i = 0; i < first_importance.size(); ++i)
      ASSERT_GE(kept.kept.at("ewc.0.importance")[i], 0.5f * first_importance[i]);
  } else {
    EXPECT_EQ(kept.kept.at("ewc.0.importance"), first_importance) << "one anchor per task";
  }

  loop.begin_task(2, 8);
  for (int i = 0; i < 3; ++i) {
    const std::vector<float> theta = loop.fast();
    const PassReport report = loop.step();
    double value = 0, norm = 0, worst = 0;
    for (size_t j = 0; j < theta.size(); ++j) {
      double pull = 0;
      for (int64_t a = 0; a < kept.numbers.at("ewc.anchors"); ++a) {
        const auto f = static_cast<double>(kept.kept.at(fmt::format("ewc.{}.importance", a))[j]);
        const double d = static_cast<double>(theta[j]) -
                         static_cast<double>(kept.kept.at(fmt::format("ewc.{}.values", a))[j]);
        value += 0.5 * kLambda * f * d * d;
        pull += kLambda * f * d;
      }
      norm += pull * pull;
      worst = std::max(worst, std::abs(static_cast<double>(loop.edited_gradient[j]) -
                                       static_cast<double>(loop.plain_gradient[j]) - pull));
    }
    const OwnTerm term = loop.run.own_terms().at("penalty");
    EXPECT_NEAR(term.value, value, 1e-5 * value);
    EXPECT_NEAR(term.gradient_norm, std::sqrt(norm), 1e-5 * std::sqrt(norm));
    EXPECT_LE(worst, 1e-5 * std::max(1.0, std::sqrt(norm)));
    EXPECT_DOUBLE_EQ(loop.run.reported().at("penalty_ratio"),
                     term.value / report.terms[LossKind::kCrossEntropy]);
    EXPECT_EQ(value > 0, i > 0 || !online) << "an online anchor is where the third task begins";
  }
}

INSTANTIATE_TEST_SUITE_P(Anchors, Penalty, ::testing::Values("per-task", "online"),
                         [](const auto& kind) {
                           return std::string(kind.param) == "online" ? "online" : "per_task";
                         });

}  // namespace
}  // namespace ilora::testing
