// Figures as gnuplot programs, and as pictures where gnuplot is installed.
#include "report/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Json lines_figure() {
  return {{"id", "loss"},
          {"kind", "lines"},
          {"title", "Loss of a 'task'"},
          {"x_label", "α"},
          {"y_label", "loss"},
          {"marks", {0, 1}},
          {"log", true},
          {"views",
           {{{"name", "1 to 2"},
             {"x", {-0.25, 0, 1}},
             {"series",
              {{{"name", "birds"}, {"values", {1.5, 1, 2}}},
               {{"name", "bees"}, {"values", {0.5, nullptr, 0.25}}}}}}}}};
}

Json map_figure() {
  return {{"id", "plane"},
          {"kind", "map"},
          {"title", "Loss"},
          {"x_label", "x"},
          {"y_label", "y"},
          {"z_label", "loss"},
          {"contours", true},
          {"views",
           {{{"name", "mean"},
             {"x", {0, 1, 2}},
             {"y", {0, 1}},
             {"z", {{1, 2, 3}, {2, 3, 5}}},
             {"paths", {{{"name", "slow"}, {"x", {0.5, 1.5}}, {"y", {0.5, 0.75}}}}}},
            {{"name", "named"}, {"x", {"a", "b"}}, {"y", {"c"}}, {"z", {{1, 2}}}}}}};
}

TEST(Figures, LinesHoldEveryValueAndNoTextCanLeaveItsQuotes) {
  const Json figure = lines_figure();
  const std::string program = gnuplot_program(figure, figure["views"][0], "out.svg");
  EXPECT_THAT(program, HasSubstr("\n-0.25 1.5 0.5\n0 1 NaN\n1 2 0.25\n"));
  EXPECT_THAT(program, HasSubstr("'Loss of a ''task'': 1 to 2'"));
  EXPECT_THAT(program, HasSubstr("title 'bees'"));
  EXPECT_THAT(program, HasSubstr("set terminal svg"));
}

TEST(Figures, MapsHaveContoursPathsAndNames) {
  const Json figure = map_figure();
  const std::string grid = gnuplot_program(figure, figure["views"][0], "out.png");
  EXPECT_THAT(grid, HasSubstr("2 1 5\n"));
  EXPECT_THAT(grid, HasSubstr("set contour base"));
  EXPECT_THAT(grid, HasSubstr("1.5 0.75\n"));
  EXPECT_THAT(grid, HasSubstr("set terminal pngcairo"));
  const std::string named = gnuplot_program(figure, figure["views"][1], "out.svg");
  EXPECT_THAT(named, HasSubstr("('a' 0, 'b' 1)"));
}

TEST(Figures, AreDrawnWhereGnuplotIsInstalled) {
  const TemporaryFolder folder;
  Json analysis;
  analysis["figures"] = {lines_figure(), map_figure()};
  const auto count = draw_figures(analysis, folder / "", "path");
  if (!count) GTEST_SKIP() << "gnuplot is not installed";
  EXPECT_EQ(*count, 6);  // three views, two formats
  EXPECT_THAT(read_file(folder / "path-loss.svg"), HasSubstr("</svg>"));
  EXPECT_THAT(read_file(folder / "path-plane-2.svg"), HasSubstr("</svg>"));
  EXPECT_EQ(read_file(folder / "path-plane-1.png").substr(1, 3), "PNG");
}

TEST(Figures, WithoutGnuplotNothingIsDrawn) {
  const TemporaryFolder folder;
  const std::string path = std::getenv("PATH");
  setenv("PATH", (folder / "").c_str(), 1);
  Json analysis;
  analysis["figures"] = {lines_figure()};
  EXPECT_EQ(draw_figures(analysis, folder / "", "path"), std::nullopt);
  setenv("PATH", path.c_str(), 1);
}

}  // namespace
}  // namespace ilora
