// Passes: how they are counted and cut into micro-passes.
#include "model/pass.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "model/config.h"

namespace ilora {
namespace {

Row row_of(int64_t fed, int64_t labels) {
  Row row;
  row.tokens.assign(static_cast<size_t>(fed + 1), 5);
  row.prompt_length = fed + 1 - labels;
  return row;
}

class PassTest : public ::testing::Test {
 protected:
  // Rows of 10 fed tokens each.
  Segment segment(size_t rows, double cross_entropy) {
    Segment s;
    s.rows.assign(rows, &row_);
    s.cross_entropy = cross_entropy;
    return s;
  }
  void link(Pass& pass, size_t student, int teacher) {
    pass.segments[student].consistency.weight = 1;
    pass.segments[student].consistency.teacher = teacher;
  }

  Row row_ = row_of(10, 3);
};

TEST_F(PassTest, CountsRowsOrTokensOfTheTermsThatAreThere) {
  Pass pass{{segment(4, 1.0), segment(2, 1.0), segment(2, 0.0)}};
  link(pass, 1, 2);
  const Denominators by_row = count_denominators(pass, {});
  EXPECT_EQ(by_row.cross_entropy, 6);
  EXPECT_EQ(by_row.consistency, 2);
  EXPECT_EQ(count_denominators(pass, {LossReduction::kToken, false}).cross_entropy, 18);
  EXPECT_EQ(count_denominators(pass, {LossReduction::kToken, true}).cross_entropy, 60);
}

// Every row of every segment runs exactly once, in order.
void expect_whole(const Pass& pass, const std::vector<MicroPass>& cuts) {
  for (size_t s = 0; s < pass.segments.size(); ++s) {
    int64_t next = 0;
    for (const MicroPass& cut : cuts) {
      ASSERT_EQ(cut.ranges.size(), pass.segments.size());
      const auto [begin, end] = cut.ranges[s];
      if (begin == end) continue;
      EXPECT_EQ(begin, next);
      next = end;
    }
    EXPECT_EQ(next, static_cast<int64_t>(pass.segments[s].rows.size()));
  }
}

TEST_F(PassTest, CutsKeepLinkedRowsTogetherAndUnderTheLimit) {
  Pass pass{{segment(5, 1.0), segment(4, 1.0), segment(4, 0.0)}};
  link(pass, 1, 2);
  for (const int64_t limit : {20, 30, 40, 55, 1000}) {
    const auto cuts = cut_pass(pass, limit);
    expect_whole(pass, cuts);
    for (const MicroPass& cut : cuts) {
      int64_t tokens = 0;
      for (const auto& range : cut.ranges) tokens += 10 * (range.end - range.begin);
      EXPECT_LE(tokens, limit);
      EXPECT_GT(tokens, 0);
      EXPECT_EQ(cut.ranges[1].begin, cut.ranges[2].begin);
      EXPECT_EQ(cut.ranges[1].end, cut.ranges[2].end);
    }
  }
  EXPECT_EQ(cut_pass(pass, 1000).size(), 1U);
  EXPECT_EQ(cut_pass(pass, 130).size(), 1U);
  EXPECT_EQ(cut_pass(pass, 129).size(), 2U);
}

TEST_F(PassTest, CutsAreAsEvenAsTheRowsAllow) {
  const Pass pass{{segment(13, 1.0)}};
  std::vector<int64_t> rows;
  for (const MicroPass& cut : cut_pass(pass, 60)) {
    rows.push_back(cut.ranges[0].end - cut.ranges[0].begin);
  }
  EXPECT_EQ(rows, (std::vector<int64_t>{5, 5, 3}));  // not 6, 6, 1
}

TEST_F(PassTest, ALongerRowMakesAPassOfItsOwn) {
  const Pass alone{{segment(3, 1.0)}};
  EXPECT_EQ(cut_pass(alone, 9).size(), 3U);
  Pass pass{{segment(2, 1.0), segment(2, 0.0)}};
  link(pass, 0, 1);
  EXPECT_EQ(cut_pass(pass, 39).size(), 2U);
  const auto cuts = cut_pass(pass, 19);  // a row with its teacher's copy
  EXPECT_EQ(cuts.size(), 2U);
  expect_whole(pass, cuts);
}

TEST_F(PassTest, ACopyWithoutGradientTakesNoRoomAndIsMixedEvenly) {
  const Buffer gradient(DType::kF32, {1});
  Pass pass{{segment(4, 1.0), segment(4, 1.0), segment(4, 0.0)}};
  link(pass, 1, 2);
  for (const size_t s : {0U, 1U}) pass.segments[s].uses = {{nullptr, 1.0, gradient.view()}};
  EXPECT_EQ(cut_pass(pass, 80).size(), 1U);
  const auto cuts = cut_pass(pass, 40);
  ASSERT_EQ(cuts.size(), 2U);
  for (const MicroPass& cut : cuts) {
    for (const auto& range : cut.ranges) EXPECT_EQ(range.end - range.begin, 2);
  }
}

TEST_F(PassTest, SoftPromptsTakeRoom) {
  Pass pass{{segment(3, 1.0)}};
  pass.segments[0].prefixes = {{0, 1}};  // 12 positions each
  EXPECT_EQ(cut_pass(pass, 36).size(), 1U);
  EXPECT_EQ(cut_pass(pass, 35).size(), 2U);
  EXPECT_EQ(cut_pass(pass, 11).size(), 3U);
  pass.segments[0].prefixes = {{}, {0, 1, 2}, {0}};
  EXPECT_EQ(cut_pass(pass, 34).size(), 1U);
  EXPECT_EQ(cut_pass(pass, 33).size(), 2U);
  expect_whole(pass, cut_pass(pass, 13));
}

TEST_F(PassTest, GradientIsWhereAUseIsTrained) {
  Segment s = segment(1, 1.0);
  EXPECT_FALSE(s.has_gradient());
  s.uses = {{nullptr, 1.0, {}}};
  EXPECT_FALSE(s.has_gradient());
  const Buffer gradient(DType::kF32, {3});
  s.uses.push_back({nullptr, 1.0, gradient.view()});
  EXPECT_TRUE(s.has_gradient());
}

}  // namespace
}  // namespace ilora
