// Which points a sweep tries.
#include "study/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/error.h"
#include "tests/unit/base/error_of.h"

namespace ilora {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Search, AGridIsTheWholeProductInOrder) {
  const auto points = search_points({parse_grid("a=1,2"), parse_grid("b.c=x,y")}, 0, 1);
  EXPECT_THAT(points, ElementsAre(SearchPoint{"a=1", "b.c=x"}, SearchPoint{"a=1", "b.c=y"},
                                  SearchPoint{"a=2", "b.c=x"}, SearchPoint{"a=2", "b.c=y"}));
}

TEST(Search, CommasInBracketsBelongToOneValue) {
  EXPECT_THAT(parse_grid("lora.targets=[q_proj,v_proj],q_proj").values,
              ElementsAre("[q_proj,v_proj]", "q_proj"));
}

TEST(Search, PartOfAGridIsRandomOrderedAndWithoutRepetition) {
  const std::vector<SearchDimension> grid = {parse_grid("a=1,2,3,4"), parse_grid("b=1,2,3,4")};
  const auto all = search_points(grid, 0, 1), part = search_points(grid, 5, 1);
  ASSERT_EQ(part.size(), 5U);
  auto from = all.begin();
  for (const SearchPoint& point : part) {
    from = std::find(from, all.end(), point);
    ASSERT_NE(from, all.end());
    ++from;
  }
  EXPECT_EQ(part, search_points(grid, 5, 1));
  EXPECT_NE(part, search_points(grid, 5, 2));
  EXPECT_EQ(search_points(grid, 99, 1), all);
}

TEST(Search, RangesAreDrawnWithinTheirEnds) {
  const SearchDimension rate = parse_range("train.learning_rate=1e-4:1e-2:log");
  int low = 0;
  for (const SearchPoint& point : search_points({rate}, 400, 3)) {
    const double value = std::stod(point[0].substr(point[0].find('=') + 1));
    EXPECT_GE(value, 1e-4);
    EXPECT_LE(value, 1e-2);
    low += value < 1e-3 ? 1 : 0;
  }
  EXPECT_NEAR(low, 200, 40);  // half of the decades; a standard deviation of 10
}

TEST(Search, EndsWrittenWholeGiveWholeNumbersWithoutRepetition) {
  const auto points = search_points({parse_range("er.memory_size=1:5")}, 50, 1);
  std::set<std::string> seen;
  for (const SearchPoint& point : points) seen.insert(point[0]);
  EXPECT_EQ(seen, (std::set<std::string>{"er.memory_size=1", "er.memory_size=2", "er.memory_size=3",
                                         "er.memory_size=4", "er.memory_size=5"}));
  EXPECT_EQ(points.size(), 5U);
}

TEST(Search, ADimensionDrawsTheSameWhateverStandsBesideIt) {
  const SearchDimension rate = parse_range("a=0.5:1");
  const auto alone = search_points({rate}, 6, 1),
             beside = search_points({parse_range("b=0.5:1"), rate}, 6, 1);
  for (size_t i = 0; i < alone.size(); ++i) EXPECT_EQ(alone[i][0], beside[i][1]);
  EXPECT_NE(beside[0][0].substr(2), beside[0][1].substr(2));
}

TEST(Search, WithoutDimensionsThereIsOnePoint) {
  EXPECT_THAT(search_points({}, 0, 1), ElementsAre(SearchPoint{}));
}

std::string failure(const std::string& text, SearchDimension (*parse)(std::string_view)) {
  return message_of([&] { parse(text); });
}

TEST(Search, SaysWhatIsWrong) {
  EXPECT_THAT(failure("a", parse_grid), HasSubstr("KEY=VALUES"));
  EXPECT_THAT(failure("a=", parse_grid), HasSubstr("KEY=VALUES"));
  EXPECT_THAT(failure("a=1,,2", parse_grid), HasSubstr("between the commas"));
  EXPECT_THAT(failure("a=1,2,1", parse_grid), HasSubstr("1 is named twice"));
  EXPECT_THAT(failure("a=1", parse_range), HasSubstr("KEY=LOW:HIGH"));
  EXPECT_THAT(failure("a=1:2:lin", parse_range), HasSubstr("KEY=LOW:HIGH:log"));
  EXPECT_THAT(failure("a=1:x", parse_range), HasSubstr("expected a number, got 'x'"));
  EXPECT_THAT(failure("a=2:1", parse_range), HasSubstr("lower and a higher end"));
  EXPECT_THAT(failure("a=0:1:log", parse_range), HasSubstr("above 0"));
}

}  // namespace
}  // namespace ilora
