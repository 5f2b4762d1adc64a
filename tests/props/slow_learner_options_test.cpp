// I-LoRA's options beyond the paper's form, each against its equation beside a run of the method's own
// hooks: how the slow learner begins and merges, which learner answers, what the two are compared by.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "continual/path_point.h"
#include "tests/method_loop.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

class Loop : public MethodLoop {
 public:
  explicit Loop(const Settings& more) : MethodLoop("ilora", more) {}

  std::vector<float> of(const char* learner) { return values_of(run.find(learner)->values()); }
};

void expect_near(const std::vector<float>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  double worst = 0;
  for (size_t i = 0; i < found.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(found[i]) - expected[i]));
  EXPECT_LE(worst, 1e-6);
}

std::vector<double> doubles(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

// ---- warm-up ---------------------------------------------------------------------------------

// While warm-up lasts the slow learner is the mean of all steps so far, step k weighed by
// (p + 1) (k + 1) (k + 2) … (k + p), and the start by (p + 1)!.
TEST(WarmUpPower, IsAMeanThatWeighsLateStepsMore) {
  constexpr int64_t kPower = 3, kSteps = 12;
  Loop loop({"ilora.half_life=1000", "ilora.warm_up_power=3"});
  loop.begin_task(0, kSteps);
  std::vector<double> sum = doubles(loop.fast());
  const auto weigh = [&](int64_t k) {
    double weight = 1;
    for (int64_t i = 0; i < kPower; ++i) weight *= static_cast<double>(k + 1 + i);
    return weight * (kPower + 1);
  };
  double start = 1;
  for (int64_t i = 1; i <= kPower + 1; ++i) start *= static_cast<double>(i);
  double all = start;
  for (double& x : sum) x *= start;
  for (int64_t k = 1; k <= kSteps; ++k) {
    loop.step();
    const std::vector<float> fast = loop.fast();
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += weigh(k) * static_cast<double>(fast[i]);
    all += weigh(k);
    EXPECT_NEAR(loop.run.reported().at("lambda"),
                1.0 - (1.0 + kPower) / static_cast<double>(k + 1 + kPower), 1e-15);
  }
  for (double& x : sum) x /= all;
  expect_near(loop.slow(), sum);
}

TEST(WarmUpPower, EndsWhereTheHalfLifeKeepsLess) {
  Loop loop({"ilora.half_life=0.5", "ilora.warm_up_power=1"});
  loop.begin_task(0, 20);
  for (int64_t k = 1; k <= 40; ++k) {
    loop.step();
    const double grown = 1.0 - 2.0 / static_cast<double>(k + 2);
    EXPECT_DOUBLE_EQ(loop.run.reported().at("lambda"), std::min(grown, std::exp2(-0.1)));
  }
}

// ---- the learner that answers ----------------------------------------------------------------

TEST(YoungLearner, AveragesTheTasksStepsAndBeginsWithTheFastOne) {
  Loop loop({"ilora.deploy_half_life=0.25"});
  EXPECT_EQ(loop.method.deployed(), "young");
  const double kept = std::exp2(-1.0 / (0.25 * 12));
  for (const int64_t task : {0, 1}) {
    loop.begin_task(task, 12);
    EXPECT_EQ(loop.of("young"), loop.fast()) << "a task begins with the fast learner's values";
    std::vector<double> expected = doubles(loop.fast());
    for (int i = 0; i < 12; ++i) {
      loop.step();
      const std::vector<float> fast = loop.fast();
      for (size_t j = 0; j < fast.size(); ++j)
        expected[j] = kept * expected[j] + (1 - kept) * static_cast<double>(fast[j]);
    }
    expect_near(loop.of("young"), expected);
    EXPECT_NE(loop.of("young"), loop.fast());
  }
}

// It answers; what is trained and what teaches do not know of it.
TEST(YoungLearner, ChangesNeitherTheFastNorTheSlowOne) {
  Loop plain({}), young({"ilora.deploy_half_life=0.125"});
  for (Loop* loop : {&plain, &young}) {
    loop->learn(0, 12);
    loop->learn(1, 12);
  }
  EXPECT_EQ(young.fast(), plain.fast());
  EXPECT_EQ(young.slow(), plain.slow());
}

TEST(Point, IsOneOfThePathsAfterEveryTask) {
  Loop loop({"ilora.point=memory", "ilora.point_rows=5"});
  EXPECT_EQ(loop.method.deployed(), "point");
  for (const int64_t task : {0, 1, 2}) {
    loop.begin_task(task, 12);
    for (int i = 0; i < 12; ++i) loop.step();
    loop.method.end_task(loop.run);
    const std::vector<float> from = loop.slow(), to = loop.fast(), point = loop.of("point");
    size_t found = 0;
    for (const double beta : PathPoint::kBetas) {
      bool equal = true;
      for (size_t i = 0; i < from.size(); ++i) {
        const auto a = static_cast<double>(from[i]), b = static_cast<double>(to[i]);
        equal = equal && std::abs(a + beta * (b - a) - static_cast<double>(point[i])) < 1e-6;
      }
      if (equal) ++found;
    }
    EXPECT_EQ(found, 1U) << "one of the five points, after task " << task;
  }
}

TEST(Point, RowsThatAreHeldDoNotEnterTheMemory) {
  for (const int64_t rows : {2, 10}) {
    Loop loop({"ilora.point=memory", fmt::format("ilora.point_rows={}", rows)});
    loop.learn(0, 4);  // all 16 rows once
    EXPECT_EQ(loop.run.reported().at("memory_rows"), static_cast<double>(16 - rows));
  }
}

TEST(Point, MayBeWhatTheNextTaskBeginsWith) {
  Loop loop({"ilora.point=memory", "ilora.point_restart=true"});
  loop.learn(0, 12);
  const std::vector<float> point = loop.of("point");
  loop.begin_task(1, 12);
  EXPECT_EQ(loop.fast(), point);
  EXPECT_EQ(loop.slow(), point);
}

// ---- merging ---------------------------------------------------------------------------------

TEST(FisherMerge, MovesTheSlowLearnerBetweenTasksAlone) {
  Loop loop({"ilora.merge=fisher"});
  loop.begin_task(0, 8);
  const std::vector<float> start = loop.slow();
  for (int i = 0; i < 8; ++i) loop.step();
  EXPECT_EQ(loop.slow(), start);
  loop.method.end_task(loop.run);
  EXPECT_EQ(loop.slow(), loop.fast()) << "the first task is taken over whole";
  const std::vector<float> first = loop.slow();
  loop.begin_task(1, 8);
  for (int i = 0; i < 8; ++i) loop.step();
  EXPECT_EQ(loop.slow(), first);
  loop.method.end_task(loop.run);

  // Each block at a place of its own on the way, between 1/4 and 3/4.
  const std::vector<float> slow = loop.slow(), fast = loop.fast();
  std::set<int> places;
  for (const LoraBlock& block : loop.run.fast().layout().blocks()) {
    double along = 0, length = 0;
    for (int64_t j = 0; j < block.rank * block.in; ++j) {
      const auto i = static_cast<size_t>(block.offset_a + j);
      const double way = static_cast<double>(fast[i]) - static_cast<double>(first[i]);
      along += way * (static_cast<double>(slow[i]) - static_cast<double>(first[i]));
      length += way * way;
    }
    EXPECT_GE(along / length, 0.25);
    EXPECT_LE(along / length, 0.75);
    places.insert(static_cast<int>(along / length * 1e4));
  }
  EXPECT_GT(places.size(), 2U);
}

// ---- consistency of predictions --------------------------------------------------------------

// -log of the distribution over tokens at each labelled position, at a temperature.
std::vector<std::vector<double>> told_by(Loop& loop, const Adapter& adapter, const Row& row,
                                         double temperature) {
  std::vector<std::vector<double>> told;
  loop.tiny.engine().all_logits(
      std::span(row.tokens).first(static_cast<size_t>(row.length())), {{&adapter, 1.0, {}}},
      [&](size_t position, std::span<const float> logits) {
        if (position < static_cast<size_t>(row.first_label(Labels::kAnswer))) return;
        double sum = 0;
        for (const float x : logits) sum += std::exp(static_cast<double>(x) / temperature);
        told.emplace_back();
        for (const float x : logits)
          told.back().push_back(std::log(sum) - static_cast<double>(x) / temperature);
      });
  return told;
}

double mean_loss(Loop& loop, const Adapter& adapter, const Row& row) {
  const auto told = told_by(loop, adapter, row, 1);
  double sum = 0;
  for (size_t i = 0; i < told.size(); ++i)
    sum += told[i][static_cast<size_t>(row.tokens[static_cast<size_t>(row.first_label()) + 1 + i])];
  return sum / static_cast<double>(told.size());
}

// tau^2/labels sum KL(slow || fast), of a row.
double divergence(Loop& loop, const Row& row, double tau) {
  const auto slow = told_by(loop, *loop.run.find("slow"), row, tau);
  const auto fast = told_by(loop, loop.run.fast(), row, tau);
  double sum = 0;
  for (size_t i = 0; i < slow.size(); ++i)
    for (size_t v = 0; v < slow[i].size(); ++v)
      sum += std::exp(-slow[i][v]) * (fast[i][v] - slow[i][v]);
  return tau * tau * sum / static_cast<double>(slow.size());
}

TEST(ConsistencyByKl, ComparesRowsOfEarlierTasksThatTheSlowLearnerPredictsNoWorse) {
  constexpr double kTau = 2, kGamma = 0.7;
  Loop loop({"ilora.consistency=kl", "ilora.gamma=0.7", "ilora.ratio=8", "ilora.half_life=0.25"});
  loop.learn(0, 16);
  loop.begin_task(1, 16);
  int compared = 0, left_out = 0, present = 0;
  for (int step = 0; step < 10; ++step) {
    // The term is of the values before the step; which rows it has, the step itself tells.
    const Adapter& slow = *loop.run.find("slow");
    std::map<uint64_t, std::pair<double, bool>> before;
    for (const int64_t task : {0, 1}) {
      for (const Row& row : loop.rows[static_cast<size_t>(task)]) {
        const bool better = mean_loss(loop, slow, row) <= mean_loss(loop, loop.run.fast(), row);
        before[row.id] = {divergence(loop, row, kTau), better};
      }
    }
    double expected = 0;
    loop.watch = [&](const Step& watched) {
      const std::vector<const Row*>& rows = watched.pass.segments[1].rows;
      for (const Row* row : rows) {
        const auto& found = before.at(row->id);
        const bool past = row->task == 0;
        if (past && found.second)
          expected += kGamma * found.first / static_cast<double>(rows.size());
        ++(!past ? present : found.second ? compared : left_out);
      }
    };
    const PassReport report = loop.step();
    EXPECT_EQ(report.terms[LossKind::kConsistency], 0.0);
    const double term = report.terms[LossKind::kLogitDistillation];
    EXPECT_NEAR(term, expected, 1e-4 * expected + 1e-6) << "step " << step;
  }
  EXPECT_GT(compared, 0);
  EXPECT_GT(left_out, 0);
  EXPECT_GT(present, 0);
}

// ---- what excludes each other ----------------------------------------------------------------

TEST(SlowLearnerOptions, ThatContradictEachOtherAreRefusedByName) {
  const std::vector<std::pair<Settings, const char*>> cases = {
      {{"ilora.deploy=fast", "ilora.deploy_half_life=0.1"}, "ilora.deploy_half_life"},
      {{"ilora.deploy=fast", "ilora.point=memory"}, "ilora.point"},
      {{"ilora.deploy_half_life=0.1", "ilora.point=memory"}, "ilora.point"},
      {{"ilora.point_restart=true"}, "ilora.point_restart"},
      {{"ilora.weight=by-task", "ilora.two_means=true"}, "two_means"}};
  for (const auto& [settings, named] : cases) {
    try {
      Loop loop(settings);
      ADD_FAILURE() << "accepted: " << settings.front();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kUsage);
      EXPECT_THAT(e.what(), HasSubstr(named));
    }
  }
}

}  // namespace
}  // namespace ilora::testing
