// Passes: how they are counted and cut into micro-passes.
#include "model/pass.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/error.h"
#include "model/config.h"
#include "model/losses/loss_rules.h"

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
  // Rows of 10 fed tokens each, 3 of them labelled, with or without cross-entropy.
  Segment segment(size_t rows, double weight, const LossOptions& options = {}) {
    Segment s = cross_entropy_segment(std::vector<const Row*>(rows, &row_), {}, options);
    s.losses[0].weight = weight;
    return s;
  }
  void link(Pass& pass, size_t student, int teacher) {
    pass.segments[student].losses.push_back({.kind = LossKind::kConsistency, .teacher = teacher});
  }

  Row row_ = row_of(10, 3);
};

TEST_F(PassTest, CountsRowsOrTokensOfTheTermsThatAreThere) {
  Pass pass{{segment(4, 1.0), segment(2, 1.0), segment(2, 0.0)}};
  link(pass, 1, 2);
  const Denominators by_row = count_denominators(pass);
  EXPECT_EQ(by_row[LossKind::kCrossEntropy], 6);
  EXPECT_EQ(by_row[LossKind::kConsistency], 2);
  EXPECT_EQ(by_row[LossKind::kLogitDistillation], 0);
  for (const LossKind kind : {LossKind::kCrossEntropy, LossKind::kLogitDistillation}) {
    for (const Labels labels : {Labels::kAnswer, Labels::kPromptAndAnswer}) {
      Pass tokens{{segment(4, 1.0, {LossReduction::kToken, labels})}};
      tokens.segments[0].losses[0].kind = kind;
      tokens.segments.push_back(tokens.segments[0]);
      tokens.segments[1].rows.resize(2);
      EXPECT_EQ(count_denominators(tokens)[kind], labels == Labels::kAnswer ? 18 : 60);
    }
  }
}

// One row per kind, and each kind once: a file that fills another's row would go unseen.
TEST_F(PassTest, TheTableOfLossesIsWhole) {
  std::set<std::string> names;
  for (size_t i = 0; i < kLossKinds; ++i) {
    const LossRules& rules = loss_rules(static_cast<LossKind>(i));
    EXPECT_TRUE(names.insert(rules.name).second) << rules.name;
    EXPECT_TRUE(rules.denominator && rules.top_positions && rules.more_head_products && rules.make);
    EXPECT_TRUE(rules.reads_logits || !rules.in_place) << rules.name;
  }
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

TEST_F(PassTest, ALossOfWeightZeroLinksNothing) {
  Pass pass{{segment(2, 1.0), segment(4, 0.0)}};
  link(pass, 0, 1);  // not the same rows
  EXPECT_ANY_THROW(cut_pass(pass, 1000));
  pass.segments[0].losses.back().weight = 0;
  expect_whole(pass, cut_pass(pass, 1000));
  EXPECT_EQ(count_denominators(pass)[LossKind::kConsistency], 0);
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
  pass.segments[0].prefixes = {{{0, 1}}};  // 12 positions each
  EXPECT_EQ(cut_pass(pass, 36).size(), 1U);
  EXPECT_EQ(cut_pass(pass, 35).size(), 2U);
  EXPECT_EQ(cut_pass(pass, 11).size(), 3U);
  pass.segments[0].prefixes = {{}, {{0, 1, 2}}, {{0}}};
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
