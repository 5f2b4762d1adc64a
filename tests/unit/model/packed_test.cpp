// Packed rows: no token of one sequence among another's, labels where they belong, filler that
// belongs to nobody.
#include "model/packed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>

namespace ilora {
namespace {

Row row_of(int32_t first, int64_t tokens, int64_t answer, uint64_t id) {
  Row row;
  for (int64_t i = 0; i < tokens; ++i) row.tokens.push_back(first + static_cast<int32_t>(i));
  row.prompt_length = tokens - answer;
  row.id = id;
  return row;
}

class PackedTest : public ::testing::Test {
 protected:
  PackedTest() {
    const Uses trained = {{&adapter_, 1.0, gradient_.view()}};
    pass_.segments.push_back(cross_entropy_segment({&rows_[0], &rows_[1]}, trained));
    pass_.segments.push_back(cross_entropy_segment({&rows_[2]}, {{&adapter_, 1.0, {}}}));
  }
  void pack(uint64_t key = 9) { packed_.pack(pass_, cut_pass(pass_, 1000)[0], key); }

  std::vector<Row> rows_ = {row_of(100, 6, 2, 1), row_of(200, 9, 1, 2), row_of(300, 5, 3, 3)};
  Adapter adapter_;
  Buffer gradient_{DType::kF32, {1}};
  Pass pass_;
  Packed packed_;
};

TEST_F(PackedTest, LaysRowsOutOneAfterAnother) {
  pack();
  ASSERT_EQ(packed_.sequences.size(), 3U);
  ASSERT_EQ(packed_.segments.size(), 2U);
  EXPECT_EQ(packed_.tokens.size(), static_cast<size_t>(packed_.rows));
  EXPECT_EQ(packed_.rows % 16, 0);
  EXPECT_EQ(packed_.segments[0].begin, 0);
  EXPECT_EQ(packed_.segments[1].begin % 16, 0);
  EXPECT_EQ(packed_.gradient_rows, packed_.segments[0].end);
  EXPECT_EQ(packed_.gradient_spans, 2);
  std::set<int64_t> covered;
  for (size_t i = 0; i < 3; ++i) {
    const PackedSequence& s = packed_.sequences[i];
    const AttentionSpan& span = packed_.spans[i];
    ASSERT_EQ(s.length, rows_[i].length());
    EXPECT_EQ(span.query_begin, s.begin);
    EXPECT_EQ(span.key_begin, s.begin);
    EXPECT_EQ(span.query_len, s.length);
    EXPECT_EQ(span.key_len, s.length);
    for (int64_t p = 0; p < s.length; ++p) {
      const auto n = static_cast<size_t>(s.begin + p);
      EXPECT_EQ(packed_.tokens[n], rows_[i].tokens[static_cast<size_t>(p)]);
      EXPECT_EQ(packed_.positions[n], p);
      EXPECT_TRUE(covered.insert(s.begin + p).second) << "two sequences share a row";
    }
  }
  for (int64_t n = 0; n < packed_.rows; ++n) {
    EXPECT_EQ(packed_.tokens[static_cast<size_t>(n)] == -1, !covered.contains(n));
  }
}

TEST_F(PackedTest, GapsOfConversationsCarryNoLabel) {
  rows_[1] = row_of(200, 9, 6, 2);  // tokens 203 to 208 stand behind the first learned one
  rows_[1].gaps = {{1, 2, true}, {4, 6, false}, {7, 8, true}};
  EXPECT_EQ(rows_[1].label_count(), 3);
  EXPECT_EQ(rows_[1].label_count(Labels::kPromptAndAnswer), 6);
  pack();
  EXPECT_EQ(packed_.label_targets, (std::vector<int32_t>{104, 105, 203, 206, 208, 302, 303, 304}));
  EXPECT_EQ(packed_.segments[0].last_label, 5);
  for (size_t i = 0; i < packed_.label_rows.size(); ++i)
    EXPECT_EQ(packed_.tokens[static_cast<size_t>(packed_.label_rows[i])] + 1,
              packed_.label_targets[i]);
  for (Segment& segment : pass_.segments) segment.labels = Labels::kPromptAndAnswer;
  pack();
  const auto of_row = [&](int32_t target) { return target >= 200 && target < 300; };
  std::vector<int32_t> targets;
  std::ranges::copy_if(packed_.label_targets, std::back_inserter(targets), of_row);
  EXPECT_EQ(targets, (std::vector<int32_t>{202, 203, 204, 205, 206, 208}))
      << "what its row takes out is never learned";
}

TEST_F(PackedTest, LabelsAreTheAnswerAndItsEnd) {
  pack();
  ASSERT_EQ(packed_.label_rows.size(), 2U + 1U + 3U);
  EXPECT_EQ(packed_.gradient_labels, 3);
  EXPECT_EQ(packed_.label_targets, (std::vector<int32_t>{104, 105, 208, 302, 303, 304}));
  for (size_t i = 0; i < packed_.label_rows.size(); ++i)
    EXPECT_EQ(packed_.tokens[static_cast<size_t>(packed_.label_rows[i])] + 1,
              packed_.label_targets[i]);
  EXPECT_EQ(packed_.segments[0].last_label, 3);
  EXPECT_EQ(packed_.segments[1].first_label, 3);
  EXPECT_EQ(packed_.sequences_of(1).front().row, 0);
  EXPECT_EQ(packed_.sequence_of_label(2).row, 1);
  for (Segment& segment : pass_.segments) segment.labels = Labels::kPromptAndAnswer;
  pack();
  EXPECT_EQ(packed_.label_rows.size(), 5U + 8U + 4U);
  pass_.segments[0].losses[0].kind = LossKind::kConsistency;  // reads no logits
  pack();
  EXPECT_EQ(packed_.label_rows.size(), 4U);
  pass_.segments[1].losses[0].weight = 0;
  pack();
  EXPECT_TRUE(packed_.label_rows.empty());
}

TEST_F(PackedTest, SoftPromptsStandInFrontAndCarryNoLabel) {
  pack();
  const Packed plain = packed_;
  pass_.segments[0].prefixes = {{{3, 0}}, {}};
  pass_.segments[1].prefixes = {{{1}}};
  pack();
  ASSERT_EQ(packed_.sequences.size(), 3U);
  const std::vector<std::vector<int32_t>> prefixes = {{3, 0}, {}, {1}};
  for (size_t i = 0; i < 3; ++i) {
    const PackedSequence& s = packed_.sequences[i];
    const auto prefix = static_cast<int64_t>(prefixes[i].size());
    EXPECT_EQ(s.prefix, prefix);
    ASSERT_EQ(s.length, prefix + rows_[i].length());
    EXPECT_EQ(packed_.spans[i].key_len, s.length);
    for (int64_t p = 0; p < s.length; ++p) {
      const auto n = static_cast<size_t>(s.begin + p);
      EXPECT_EQ(packed_.positions[n], p);
      if (p < prefix) {
        EXPECT_EQ(packed_.tokens[n], soft_prompt_id(prefixes[i][static_cast<size_t>(p)]));
        continue;
      }
      EXPECT_EQ(packed_.tokens[n], rows_[i].tokens[static_cast<size_t>(p - prefix)]);
      // A token's dropout mask is the same with and without a prefix.
      EXPECT_EQ(packed_.row_keys[n],
                plain.row_keys[static_cast<size_t>(plain.sequences[i].begin + p - prefix)]);
    }
  }
  EXPECT_EQ(packed_.label_targets, plain.label_targets);
  for (size_t i = 0; i < packed_.label_rows.size(); ++i)
    EXPECT_EQ(packed_.tokens[static_cast<size_t>(packed_.label_rows[i])] + 1,
              packed_.label_targets[i]);
}

TEST_F(PackedTest, DropoutKeysNameRowsAndNotPlaces) {
  pack();
  const auto key_of = [&](size_t sequence, int64_t position) {
    return packed_.row_keys[static_cast<size_t>(packed_.sequences[sequence].begin + position)];
  };
  const uint64_t second = key_of(1, 3);
  std::set<uint64_t> keys;
  for (size_t s = 0; s < 3; ++s) {
    for (int64_t p = 0; p < packed_.sequences[s].length; ++p) keys.insert(key_of(s, p));
  }
  EXPECT_EQ(keys.size(), 5U + 8U + 4U);
  std::swap(pass_.segments[0].rows[0], pass_.segments[0].rows[1]);  // elsewhere in the pack
  pack();
  EXPECT_EQ(key_of(0, 3), second);
  pack(10);  // another step
  EXPECT_NE(key_of(0, 3), second);
}

TEST_F(PackedTest, FeedsFollowWhatTheCacheHolds) {
  const std::vector<int32_t> a = {7, 8, 9}, b = {4}, targets = {-1, 9, 11};
  const std::vector<Feed> feeds = {{a, targets, 2, 5}, {b, {}, 0, 0}};
  packed_.pack_feeds(feeds, 20);
  ASSERT_EQ(packed_.spans.size(), 2U);
  EXPECT_EQ(packed_.spans[0].key_begin, 40);
  EXPECT_EQ(packed_.spans[0].key_len, 8);
  EXPECT_EQ(packed_.spans[0].query_len, 3);
  EXPECT_EQ(packed_.positions[0], 5);
  EXPECT_EQ(packed_.spans[1].key_begin, 0);
  EXPECT_EQ(packed_.label_targets, (std::vector<int32_t>{9, 11}));
  EXPECT_EQ(packed_.gradient_rows, 0);
}

TEST_F(PackedTest, FeedsUnderEachListOfAdaptersMakeASegment) {
  const std::vector<int32_t> one = {7}, many(20, 3);
  const std::vector<Feed> feeds = {{one, {}, 0, 4, 0},
                                   {one, {}, 1, 6, 0},
                                   {one, {}, 2, 5, 3},
                                   {many, {}, 3, 0, 4},
                                   {one, {}, 4, 2, 7}};
  packed_.pack_feeds(feeds, 32);
  ASSERT_EQ(packed_.segments.size(), 4U);
  const std::vector<int32_t> lists = {0, 3, 4, 7};
  const std::vector<int64_t> begins = {0, 2, 3, 35},
                             ends = {2, 3, 35, 48};  // few rows: not filled up
  for (size_t s = 0; s < 4; ++s) {
    EXPECT_EQ(packed_.segments[s].under, lists[s]);
    EXPECT_EQ(packed_.segments[s].begin, begins[s]);
    EXPECT_EQ(packed_.segments[s].end, ends[s]);
  }
  EXPECT_EQ(packed_.rows, 48);
  const std::vector<int32_t> segment_of = {0, 0, 1, 2, 3};
  for (size_t i = 0; i < feeds.size(); ++i) EXPECT_EQ(packed_.sequences[i].segment, segment_of[i]);
  EXPECT_EQ(packed_.positions[2], 5);
  EXPECT_EQ(packed_.spans[2].key_begin, 64);
}

TEST_F(PackedTest, FeedsWithoutACacheAreSequencesOfTheirOwn) {
  const std::vector<int32_t> a = {7, 8, 9}, b = {4, 5};
  const std::vector<Feed> feeds = {{a, {}, 0, 0}, {b, {}, 0, 0}};
  packed_.pack_feeds(feeds, 0);
  ASSERT_EQ(packed_.spans.size(), 2U);
  EXPECT_EQ(packed_.spans[1].query_begin, 3);
  EXPECT_EQ(packed_.spans[1].key_begin, 3);
  EXPECT_EQ(packed_.spans[1].key_len, 2);
}

TEST_F(PackedTest, FeedsBehindAnotherShareItsKeys) {
  const std::vector<int32_t> prompt = {7, 8, 9}, a = {4, 5}, b = {6};
  const std::vector<Feed> feeds = {
      {a, {}, 0, 0}, {prompt, {}, 0, 0}, {a, {}, 0, 0, 0, 1}, {b, {}, 0, 0, 0, 1}};
  packed_.pack_feeds(feeds, 0);
  ASSERT_EQ(packed_.spans.size(), 4U);
  EXPECT_EQ(packed_.spans[1].shared_len, 0);
  for (const size_t option : {2U, 3U}) {
    EXPECT_EQ(packed_.spans[option].shared_begin, 2);
    EXPECT_EQ(packed_.spans[option].shared_len, 3);
  }
  EXPECT_EQ(packed_.spans[3].key_begin, 7);
  EXPECT_EQ(packed_.positions[5], 3);  // a's first token behind the prompt
  EXPECT_EQ(packed_.positions[7], 3);
}

}  // namespace
}  // namespace ilora
