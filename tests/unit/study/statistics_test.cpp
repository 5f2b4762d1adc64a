// Mean, deviation and the paired bootstrap, against NumPy (tests/golden/make_bootstrap.py) and by
// what they must do.
#include "study/statistics.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/random.h"

namespace ilora {
namespace {

const Json& reference() {
  static const Json json =
      read_json(std::filesystem::path(ILORA_SOURCE_DIR) / "tests/golden/bootstrap/reference.json");
  return json;
}

PairedDifferences differences_of(const Json& a, const Json& b) {
  auto x = a.get<PairedDifferences>();
  const auto y = b.get<PairedDifferences>();
  for (size_t t = 0; t < x.size(); ++t)
    for (size_t s = 0; s < x[t].size(); ++s)
      for (size_t i = 0; i < x[t][s].size(); ++i) x[t][s][i] -= y[t][s][i];
  return x;
}

// Sums of at most a hundred numbers of size 1 in another order: 1e-12 is far above their rounding.
constexpr double kTolerance = 1e-12;

TEST(PairedBootstrap, StatisticIntervalAndPAgreeWithNumpyOnFixedIndices) {
  for (const Json& expected : reference().at("cases")) {
    const PairedDifferences paired = differences_of(expected.at("a"), expected.at("b"));
    EXPECT_NEAR(mean_difference(paired), expected.at("difference").get<double>(), kTolerance);
    std::vector<double> resampled;
    for (const Json& draw : expected.at("resamples")) {
      const Resample resample{draw.at("seeds").get<std::vector<size_t>>(),
                              draw.at("rows").get<std::vector<std::vector<size_t>>>()};
      resampled.push_back(mean_difference(paired, resample));
      EXPECT_NEAR(resampled.back(),
                  expected.at("statistics").at(resampled.size() - 1).get<double>(), kTolerance);
    }
    const Interval interval = interval_of(mean_difference(paired), resampled);
    EXPECT_NEAR(interval.low, expected.at("low").get<double>(), kTolerance);
    EXPECT_NEAR(interval.high, expected.at("high").get<double>(), kTolerance);
    EXPECT_NEAR(interval.p, expected.at("p").get<double>(), kTolerance);
  }
}

TEST(PairedBootstrap, IsAFunctionOfItsArguments) {
  const Json first = reference().at("cases").at(0);
  const PairedDifferences paired = differences_of(first.at("a"), first.at("b"));
  const Interval once = paired_bootstrap(paired, 500, 1), again = paired_bootstrap(paired, 500, 1),
                 other = paired_bootstrap(paired, 500, 2);
  EXPECT_EQ(once.low, again.low);
  EXPECT_EQ(once.high, again.high);
  EXPECT_EQ(once.p, again.p);
  EXPECT_NE(once.low, other.low);
  EXPECT_EQ(once.difference, other.difference);
}

TEST(PairedBootstrap, NoDifferenceAnywhereIsNoDifference) {
  const PairedDifferences zeros(2, {{0, 0, 0}, {0, 0, 0}});
  const Interval interval = paired_bootstrap(zeros, 200, 1);
  EXPECT_EQ(interval.low, 0);
  EXPECT_EQ(interval.high, 0);
  EXPECT_EQ(interval.p, 1);
}

// Rows whose scores differ by chance around `truth`, 60 of each of two tasks, one seed: there the
// rows are all that varies, and the interval should hold the truth in about 95 of 100 cases.
PairedDifferences drawn(double truth, uint64_t number) {
  const Random random(5, Stream::kTest, number);
  PairedDifferences paired;
  uint64_t counter = 0;
  for (int task = 0; task < 2; ++task) {
    auto& rows = paired.emplace_back(1).front();
    for (int i = 0; i < 60; ++i) rows.push_back(truth + random.normal(counter++));
  }
  return paired;
}

TEST(PairedBootstrap, IntervalsHoldTheTruthAboutAsOftenAsTheySay) {
  constexpr int kCases = 400;
  int held = 0, significant_where_none = 0;
  for (int i = 0; i < kCases; ++i) {
    const Interval at = paired_bootstrap(drawn(0.3, static_cast<uint64_t>(i)), 400, 1);
    held += at.low <= 0.3 && 0.3 <= at.high ? 1 : 0;
    const Interval none = paired_bootstrap(drawn(0, static_cast<uint64_t>(i) + 1000), 400, 1);
    significant_where_none += none.p < 0.05 ? 1 : 0;
  }
  // 95 % of 400 are 380, with a standard deviation of 4.4; the draws are fixed.
  EXPECT_GE(held, 365);
  EXPECT_LE(held, 395);
  EXPECT_LE(significant_where_none, 35);
  EXPECT_GE(significant_where_none, 5);
}

// What statistics.h warns of: where seeds differ and rows do not, three seeds' interval runs from
// the least to the greatest of them, and all three lie on one side of the truth in a quarter of
// cases.
TEST(PairedBootstrap, ThreeSeedsThatDifferGiveTooNarrowAnInterval) {
  constexpr int kCases = 400;
  int held = 0, agreed = 0;
  for (int i = 0; i < kCases; ++i) {
    const Random random(6, Stream::kTest, static_cast<uint64_t>(i));
    PairedDifferences paired(1);
    for (uint64_t s = 0; s < 3; ++s) paired[0].emplace_back(10, random.normal(s));
    const Interval none = paired_bootstrap(paired, 2000, 1);
    held += none.low <= 0 && 0 <= none.high ? 1 : 0;
    agreed += none.agreeing == 3 ? 1 : 0;
  }
  EXPECT_NEAR(held, 0.75 * kCases, 30);  // 3.5 standard deviations
  EXPECT_EQ(held + agreed, kCases) << "seeds that agree are the sign of it";
}

TEST(PairedBootstrap, SeedsThatDisagreeWidenTheInterval) {
  PairedDifferences agree(1), disagree(1);
  for (int s = 0; s < 3; ++s) {
    agree[0].emplace_back(40, 0.1);
    disagree[0].emplace_back(40, 0.1 * (s - 1) + 0.1);
  }
  const Interval narrow = paired_bootstrap(agree, 500, 1),
                 wide = paired_bootstrap(disagree, 500, 1);
  EXPECT_NEAR(narrow.difference, wide.difference, 1e-12);
  EXPECT_NEAR(narrow.low, narrow.high, 1e-12);
  EXPECT_EQ(narrow.agreeing, 3);
  EXPECT_EQ(wide.agreeing, 2) << "one seed has no difference";
  EXPECT_GT(wide.high - wide.low, 0.1);
}

}  // namespace
}  // namespace ilora
