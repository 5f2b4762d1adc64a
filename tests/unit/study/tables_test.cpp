// A comparison as Markdown, CSV, LaTeX and JSON.
#include "study/tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "study/comparison_data.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

// A line of rows.jsonl.
std::string line(const char* learner, const char* task, int after, const std::vector<int>& rows) {
  const Json json = {
      {"task", task}, {"learner", learner}, {"after", after}, {"split", "test"}, {"scores", rows}};
  return json.dump() + "\n";
}

// A grid in a folder: cells as `ilora train` leaves them.
class ComparisonTest : public ::testing::Test {
 protected:
  Cell cell(const std::string& method, int64_t seed) {
    return {method, seed, method, folder_ / method / fmt::format("seed-{}", seed), {}};
  }

  void finished(const std::string& method, int64_t seed, const std::vector<int>& a,
                const std::vector<int>& b, double seconds) {
    const Cell at = cell(method, seed);
    make_folder(at.folder);
    const auto mean = [](const std::vector<int>& rows) {
      double sum = 0;
      for (const int x : rows) sum += x;
      return sum / static_cast<double>(rows.size());
    };
    const double x = mean(a), y = mean(b);
    const Json first = {0.5, 0.25}, middle = {1.0, 0.25}, last = {x, y};
    write_json(at.folder / "results.json",
               {{"schema", 1},
                {"status", "finished"},
                {"deployed", "slow"},
                {"method", method},
                {"seed", seed},
                {"model", "tiny_model"},
                {"tasks", {"one_task", "b|c"}},
                {"measures", {"choice", "choice"}},
                {"scores", {first, middle, last}},
                {"metrics",
                 {{"average_accuracy", (x + y) / 2},
                  {"backward_transfer", x - 1.0},
                  {"forgetting", 1.0 - x}}},
                {"timing", {{"train_seconds", seconds}, {"train_tokens", 1000}}}});
    // Right after it was learned, the first task was known.
    write_file_atomic(at.folder / "rows.jsonl",
                      line("slow", "one_task", 1, std::vector<int>(a.size(), 1)) +
                          line("slow", "one_task", 2, a) + line("slow", "b|c", 2, b));
  }

  void failed(const std::string& method, int64_t seed, const std::string& error) {
    make_folder(cell(method, seed).folder);
    write_json(cell(method, seed).folder / "failed.json", {{"exit", 1}, {"error", error}});
  }

  // Two methods with two seeds each, and one seed that failed.
  Comparison example() {
    finished("seq", 1, {1, 0, 0, 0}, {1, 0}, 10);
    finished("seq", 2, {1, 1, 0, 0}, {1, 0}, 12);
    finished("ilora", 1, {1, 1, 1, 0}, {1, 0}, 20);
    finished("ilora", 2, {1, 1, 1, 1}, {1, 0}, 24);
    failed("ilora", 3, "[train] the loss is not finite");
    const std::vector<Cell> cells = {cell("seq", 1), cell("seq", 2), cell("ilora", 1),
                                     cell("ilora", 2), cell("ilora", 3)};
    return compare_cells(cells, "seq", {500, 1});
  }

  TemporaryFolder folder_;
};

TEST_F(ComparisonTest, MarkdownHasMeansDeviationsAndTheBestInBold) {
  const std::string text = comparison_markdown(example());
  EXPECT_THAT(
      text,
      HasSubstr(
          "| method | seeds | average accuracy | old tasks | "
          "backward transfer | forgetting | one\\_task | b\\|c | train seconds | train tokens |"));
  // 0.375 and 0.5: deviation 0.0884. The second task is equal for all: nothing to mark.
  EXPECT_THAT(
      text,
      HasSubstr("| seq | 2 | 0.438 ± 0.088 | 0.375 ± 0.177 | −0.625 ± 0.177 | 0.625 ± 0.177 | "
                "0.375 ± 0.177 | 0.500 ± 0.000 | 11 ± 1 | 1000 ± 0 |"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "| ilora | 2 | **0.688 ± 0.088** | **0.875 ± 0.177** | "
          "**−0.125 ± 0.177** | **0.125 ± 0.177** | **0.875 ± 0.177** | 0.500 ± 0.000 | 22 ± 3 |"));
  EXPECT_THAT(text, HasSubstr("- ilora, seed 3: [train] the loss is not finite"));
  // The differences to seq: 7 of 8 rows where it had 3, and of that task alone for the transfer.
  EXPECT_THAT(text,
              HasSubstr("| method | seeds | average accuracy minus seq's | 95 % interval | "
                        "p (seeds that agree) | backward transfer minus seq's | 95 % interval | "
                        "p (seeds that agree) |"));
  EXPECT_THAT(text, HasSubstr("(2/2) | 0.500 |"));
  EXPECT_THAT(text, HasSubstr("| ilora | 2 | 0.250 | "));
  EXPECT_THAT(text, HasSubstr(" | 0.500 | "));
  EXPECT_THAT(text, HasSubstr("over test rows and seeds (500 resamples)"));
}

TEST_F(ComparisonTest, SomeOfTheTasksAreComparedAlone) {
  example();
  const std::vector<Cell> cells = {cell("seq", 1), cell("seq", 2), cell("ilora", 1),
                                   cell("ilora", 2)};
  const std::string first =
      comparison_markdown(compare_cells(cells, "seq", {500, 1}, {"one_task"}));
  EXPECT_THAT(first, HasSubstr("of 1 of the 2 tasks learned"));
  EXPECT_THAT(first, HasSubstr("| seq | 2 | 0.375 ± 0.177 | 0.375 ± 0.177 | "
                               "−0.625 ± 0.177 | 0.375 ± 0.177 | 11"));
  EXPECT_THAT(first, HasSubstr("| ilora | 2 | 0.500 | "));
  // The last task has no later ones, so there is no transfer to speak of.
  const std::string last = comparison_markdown(compare_cells(cells, "seq", {500, 1}, {"b|c"}));
  EXPECT_THAT(last, HasSubstr("| method | seeds | average accuracy | b\\|c | train seconds"));
  EXPECT_THAT(last, Not(HasSubstr("transfer")));
  EXPECT_THROW(compare_cells(cells, "seq", {500, 1}, {"d"}), Error);
}

TEST_F(ComparisonTest, ALearnerThatIsNotDeployedHasALineOfItsOwn) {
  finished("seq", 1, {1, 0, 0, 0}, {1, 0}, 10);
  finished("ilora", 1, {1, 1, 1, 0}, {1, 0}, 20);
  // What the fast learner scored, a matrix for each measure.
  const std::filesystem::path folder = cell("ilora", 1).folder;
  Json results = read_json(folder / "results.json");
  const Json none = {nullptr, nullptr}, first = {0.5, nullptr}, second = {nullptr, 1.0};
  results["scores_by"] = {
      {"slow", {{"choice", results["scores"]}}},
      {"fast", {{"choice", {none, {1.0, nullptr}, first}}, {"number", {none, none, second}}}}};
  write_json(folder / "results.json", results);
  write_file_atomic(folder / "rows.jsonl",
                    read_file(folder / "rows.jsonl") + line("fast", "one_task", 1, {1, 1, 1, 1}) +
                        line("fast", "one_task", 2, {1, 1, 0, 0}) + line("fast", "b|c", 2, {1, 1}));
  const std::vector<Cell> cells = {cell("seq", 1), cell("ilora", 1)};
  const std::string text = comparison_markdown(compare_cells(cells, "ilora", {500, 1}));
  EXPECT_THAT(text, HasSubstr("| ilora | 1 | 0.625 | **0.750** | **−0.250** | "
                              "**−0.250** | **0.250** | **0.750** |"));
  EXPECT_THAT(text, HasSubstr("| ilora (fast) | 1 | **0.750** | 0.500 | −0.500 | "
                              "−0.500 | – | 0.500 | **1.000** |"));
  EXPECT_THAT(text, HasSubstr("| ilora (fast) | 1 | 0.125 | "));  // its difference to the slow one
  EXPECT_THAT(text, HasSubstr(" | −0.250 | "));
}

// What a learner that lags gains by catching up is in its own transfer alone.
TEST_F(ComparisonTest, TransferIsAlsoCountedFromTheLearnerThatTrains) {
  finished("seq", 1, {1, 0, 0, 0}, {1, 0}, 10);
  finished("ilora", 1, {1, 1, 1, 0}, {1, 0}, 20);
  const std::filesystem::path folder = cell("ilora", 1).folder;
  Json results = read_json(folder / "results.json");
  results["scores"][1] = {0.25, 0.25};  // the slow one, right after the first task
  results["scores_by"] = {{"fast", {{"choice", {{nullptr, nullptr}, {1.0, nullptr}, {0.5, 1.0}}}}}};
  write_json(folder / "results.json", results);
  const std::vector<Cell> cells = {cell("seq", 1), cell("ilora", 1)};
  const Comparison c = compare_cells(cells, "ilora", {500, 1});
  const auto value = [&](const char* method, const char* column) {
    const auto m = std::ranges::find(c.methods, method, &ComparedMethod::name);
    const auto at = std::ranges::find(c.columns, column, &ComparedColumn::name);
    return m->values[static_cast<size_t>(at - c.columns.begin())];
  };
  EXPECT_EQ(value("ilora", "backward transfer")->mean, 0.5);
  EXPECT_EQ(value("ilora", "transfer from trained")->mean, -0.25);
  EXPECT_EQ(value("ilora (fast)", "transfer from trained")->mean, -0.5);
  EXPECT_EQ(value("ilora", "old tasks")->mean, 0.75);
}

TEST_F(ComparisonTest, TheShareRetainedIsOfWhatOneGainsOverAConstantAnswer) {
  // The first task is taught (1 to 0.25), the second is not (0.5 to 0.5).
  const std::vector<int> half = {1, 0};
  for (const int64_t seed : {1, 2}) {
    finished("constant", seed, {1, 0, 0, 0}, half, 0);
    finished("one", seed, {1, 1, 1, 1}, half, 5);
    finished("seq", seed, {1, 1, 0, 0}, {1, 1}, 5);
  }
  std::vector<Cell> cells;
  for (const char* method : {"constant", "one", "seq"})
    for (const int64_t seed : {1, 2}) cells.push_back(cell(method, seed));
  const Comparison c = compare_cells(cells, "seq", {2000, 1});
  EXPECT_EQ(c.taught, std::vector<std::string>{"one_task"});
  const auto at = std::ranges::find(c.columns, "share retained", &ComparedColumn::name);
  ASSERT_NE(at, c.columns.end());
  const auto column = static_cast<size_t>(at - c.columns.begin());
  EXPECT_EQ(c.methods[0].values[column]->mean, 0.0);
  EXPECT_EQ(c.methods[1].values[column]->mean, 1.0);
  EXPECT_NEAR(c.methods[2].values[column]->mean, 1.0 / 3, 1e-12);
  EXPECT_THAT(comparison_markdown(c), HasSubstr("by more than noise (one_task)"));
  write_comparison_json(folder_ / "table.json", c);
  EXPECT_EQ(read_json(folder_ / "table.json").at("taught"), Json({"one_task"}));
  // Without a control nothing is known.
  const Comparison alone = compare_cells(std::span(cells).last(2), "seq", {100, 1});
  EXPECT_FALSE(alone.taught);
  EXPECT_EQ(std::ranges::find(alone.columns, "share retained", &ComparedColumn::name),
            alone.columns.end());
}

TEST_F(ComparisonTest, LatexEscapesTextAndSetsNumbersAsMathematics) {
  const std::string text = comparison_latex(example());
  EXPECT_THAT(text, HasSubstr("one\\_task"));
  EXPECT_THAT(text, HasSubstr("$\\mathbf{0.688 \\pm 0.088}$"));
  EXPECT_THAT(text, HasSubstr("$-0.625 \\pm 0.177$"));
  EXPECT_THAT(text, HasSubstr("95 \\% interval"));
  EXPECT_THAT(text, HasSubstr("\\begin{tabular}{lrrrrrrrrr}"));
  EXPECT_THAT(text, Not(HasSubstr("±")));
}

TEST_F(ComparisonTest, LatexEscapesEveryActiveCharacter) {
  finished("a&b%c$d#e_f{g}h~i^j\\k", 1, {1}, {1}, 1);
  const Cell only = cell("a&b%c$d#e_f{g}h~i^j\\k", 1);
  EXPECT_THAT(comparison_latex(compare_cells(std::span(&only, 1), only.method, {10, 1})),
              HasSubstr("a\\&b\\%c\\$d\\#e\\_f\\{g\\}h\\textasciitilde{}i\\textasciicircum{}j"
                        "\\textbackslash{}k & 1 & $1.000$"));
}

TEST_F(ComparisonTest, CsvHasALinePerMethod) {
  const std::string text = comparison_csv(example());
  EXPECT_THAT(text, HasSubstr("method,seeds,failed,average accuracy mean,average accuracy sd,"));
  EXPECT_THAT(text, HasSubstr("\nseq,2,0,0.4375,"));
  EXPECT_THAT(text, HasSubstr("\nilora,2,1,0.6875,"));
  EXPECT_THAT(text, HasSubstr(",,,,,,,,\n"));  // seq has no difference to itself
}

TEST_F(ComparisonTest, JsonIsNotRounded) {
  write_comparison_json(folder_ / "table.json", example());
  const Json json = read_json(folder_ / "table.json");
  EXPECT_EQ(json.at("against"), "seq");
  const Json& ilora = json.at("methods").at(1);
  EXPECT_EQ(ilora.at("values").at("average accuracy").at("mean"), 0.6875);
  EXPECT_EQ(ilora.at("values").at("average accuracy").at("best"), true);
  EXPECT_EQ(ilora.at("tasks").at("one_task").at("mean"), 0.875);
  EXPECT_EQ(ilora.at("failed").at(0).at("seed"), 3);
  EXPECT_EQ(ilora.at("difference").at("seeds"), 2);
  EXPECT_NEAR(ilora.at("difference").at("mean").get<double>(), 0.25, 1e-12);
  EXPECT_NEAR(ilora.at("backward_transfer_difference").at("mean").get<double>(), 0.5, 1e-12);
  EXPECT_FALSE(json.at("methods").at(0).contains("difference"));
}

TEST_F(ComparisonTest, WithoutCommonSeedsOrRowScoresThereIsNoDifferenceAndItSaysWhy) {
  finished("seq", 1, {1, 0}, {1}, 1);
  finished("er", 2, {1, 1}, {1}, 1);
  const std::vector<Cell> apart = {cell("seq", 1), cell("er", 2)};
  EXPECT_THAT(comparison_markdown(compare_cells(apart, "seq", {10, 1})),
              HasSubstr("no seed that both finished"));
  finished("er", 1, {1, 1, 0}, {1}, 1);
  const std::vector<Cell> other = {cell("seq", 1), cell("er", 1)};
  EXPECT_THAT(comparison_markdown(compare_cells(other, "seq", {10, 1})),
              HasSubstr("not the same rows of one\\_task"));
  // Another split, or another measure: rows of one number that are not the same rows.
  finished("er", 1, {1, 1}, {1}, 1);
  const std::filesystem::path rows = cell("er", 1).folder / "rows.jsonl";
  const std::string here = read_file(rows);
  std::string elsewhere = here;
  for (size_t at = 0; (at = elsewhere.find("\"test\"", at)) != std::string::npos;)
    elsewhere.replace(at, 6, "\"eval\"");
  write_file_atomic(rows, elsewhere);
  EXPECT_THROW(compare_cells(other, "seq", {10, 1}), Error);
  write_file_atomic(rows, here);
  Json results = read_json(cell("er", 1).folder / "results.json");
  results["measures"][0] = "exact";
  write_json(cell("er", 1).folder / "results.json", results);
  EXPECT_THROW(compare_cells(other, "seq", {10, 1}), Error);
  finished("er", 1, {1, 1}, {1}, 1);
  std::filesystem::remove(rows);
  EXPECT_THAT(comparison_markdown(compare_cells(other, "seq", {10, 1})),
              HasSubstr("no row scores"));
  // The same where it is the first cell that lacks them.
  finished("er", 1, {1, 1}, {1}, 1);
  std::filesystem::remove(cell("seq", 1).folder / "rows.jsonl");
  const Comparison comparison = compare_cells(other, "seq", {10, 1});
  EXPECT_EQ(comparison.split, "test");
  EXPECT_THAT(comparison_markdown(comparison), HasSubstr("no row scores"));
}

TEST_F(ComparisonTest, AMethodThatLearnsAllTasksTogetherHasNoTransferToCompare) {
  finished("seq", 1, {1, 0}, {1}, 1);
  finished("er", 1, {1, 1}, {1}, 1);
  finished("mtl", 1, {1, 1}, {1}, 1);
  const std::filesystem::path path = cell("mtl", 1).folder / "results.json";
  Json results = read_json(path);
  results["scores"][1] = {nullptr, nullptr};
  write_json(path, results);
  const std::vector<Cell> cells = {cell("seq", 1), cell("er", 1), cell("mtl", 1)};
  EXPECT_THAT(comparison_markdown(compare_cells(cells, "seq", {10, 1})),
              ContainsRegex("\\| mtl \\| 1 \\| 0.250 \\|.*\\| no scores right after each task"));
}

}  // namespace
}  // namespace ilora
