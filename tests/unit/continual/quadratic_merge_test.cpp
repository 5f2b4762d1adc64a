// Where tasks' quadratic losses together are least on a line: by hand, and against the sum itself.
#include "continual/quadratic_merge.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace ilora {
namespace {

Buffer vector_of(const std::vector<float>& values) {
  Buffer made(DType::kF32, {static_cast<int64_t>(values.size())});
  std::ranges::copy(values, made.ptr<float>());
  return made;
}

TEST(QuadraticMerge, GoesHalfWayBetweenTwoTasksThatMatterAlike) {
  QuadraticMerge merge;
  const Buffer before = vector_of({1, 0}), importance = vector_of({2, 2}),
               after = vector_of({1, 4});
  merge.add(importance.view(), before.view());
  merge.merge(before.view(), vector_of({9, 9}).view(), {});
  EXPECT_EQ(before.ptr<float>()[0], 1.0F) << "the first task is taken over whole";
  merge.add(importance.view(), after.view());
  merge.merge(after.view(), before.view(), {});
  EXPECT_DOUBLE_EQ(merge.share(), 0.5);
  EXPECT_EQ(after.ptr<float>()[0], 1.0F);
  EXPECT_EQ(after.ptr<float>()[1], 2.0F);
}

// Three tasks, two maps; the earlier ones' own values are not on the line.
TEST(QuadraticMerge, TheSumOfTheTasksLossesIsLeastThere) {
  constexpr int64_t kSize = 12;
  LoraBlock first, second;
  first.in = 2, first.out = 4, first.rank = 1, first.offset_bt = 2;
  second.in = 3, second.out = 3, second.rank = 1, second.offset_a = 6, second.offset_bt = 9;
  const Random random(5, Stream::kTest);
  uint64_t draws = 0;
  const auto normals = [&](double spread) {
    std::vector<float> values(kSize);
    for (float& x : values) x = static_cast<float>(spread * random.normal(draws++));
    return values;
  };
  const Buffer before = vector_of(normals(1));
  for (const bool per_map : {false, true}) {
    QuadraticMerge merge;
    std::vector<std::vector<float>> ends, importances;
    for (int task = 0; task < 3; ++task) {
      ends.push_back(normals(0.2));
      importances.push_back(normals(1));
      for (size_t i = 0; i < kSize; ++i) {
        ends.back()[i] += before.ptr<float>()[i];
        importances.back()[i] = std::abs(importances.back()[i]);
      }
      merge.add(vector_of(importances.back()).view(), vector_of(ends.back()).view());
    }
    const Buffer merged = vector_of(ends.back());
    const std::vector<LoraBlock> maps =
        per_map ? std::vector<LoraBlock>{first, second} : std::vector<LoraBlock>();
    merge.merge(merged.view(), before.view(), maps);
    const auto loss = [&](size_t begin, size_t end, double from_merged) {
      double sum = 0;
      for (size_t i = begin; i < end; ++i) {
        const auto v = static_cast<double>(before.ptr<float>()[i]);
        const double d = static_cast<double>(ends.back()[i]) - v;
        const double x = static_cast<double>(merged.ptr<float>()[i]) + from_merged * d;
        for (size_t task = 0; task < 3; ++task) {
          const double off = x - static_cast<double>(ends[task][i]);
          sum += 0.5 * static_cast<double>(importances[task][i]) * off * off;
        }
      }
      return sum;
    };
    EXPECT_GT(merge.share(), 0.0);
    EXPECT_LT(merge.share(), 1.0);
    for (const auto& [begin, end] : per_map
                                        ? std::vector<std::pair<size_t, size_t>>{{0, 6}, {6, 12}}
                                        : std::vector<std::pair<size_t, size_t>>{{0, 12}}) {
      EXPECT_LT(loss(begin, end, 0), loss(begin, end, 0.01)) << per_map << begin;
      EXPECT_LT(loss(begin, end, 0), loss(begin, end, -0.01)) << per_map << begin;
    }
  }
}

TEST(QuadraticMerge, WhatNothingIsKnownOfKeepsItsValues) {
  QuadraticMerge merge;
  const Buffer before = vector_of({0, 0}), none = vector_of({0, 0}), after = vector_of({3, 4});
  merge.add(none.view(), before.view());
  merge.add(none.view(), after.view());
  merge.merge(after.view(), before.view(), {});
  EXPECT_EQ(merge.share(), 1.0);
  EXPECT_EQ(after.ptr<float>()[1], 4.0F);
}

}  // namespace
}  // namespace ilora
