#include "runs/spread.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace ilora {
namespace {

// Of tests/golden/make_bootstrap.py. Sums of a few numbers of size 1: 1e-12 is far above rounding.
TEST(Spread, AgreesWithNumpy) {
  const Json reference = read_json(ILORA_SOURCE_DIR "/tests/golden/bootstrap/reference.json");
  for (const Json& expected : reference.at("spreads")) {
    const auto values = expected.at("values").get<std::vector<double>>();
    const Spread spread = spread_of(values);
    EXPECT_NEAR(spread.mean, expected.at("mean").get<double>(), 1e-12);
    EXPECT_NEAR(spread.deviation.value(), expected.at("deviation").get<double>(), 1e-12);
  }
}

TEST(Spread, OfASingleValueHasNoDeviation) {
  const Spread spread = spread_of(std::vector<double>{0.5});
  EXPECT_EQ(spread.mean, 0.5);
  EXPECT_FALSE(spread.deviation);
}

TEST(Spread, OfRunsNeedsAValueOfEach) {
  const std::vector<int> runs = {1, 2, 3};
  const auto half = [](int run) { return Score(run / 2.0); };
  EXPECT_EQ(spread_of(runs, half)->mean, 1.0);
  EXPECT_FALSE(spread_of(runs, [](int run) { return run == 2 ? Score() : Score(1.0); }));
  EXPECT_FALSE(spread_of(std::vector<int>(), half));
}

}  // namespace
}  // namespace ilora
