// Run folders are written here as `ilora train` writes them; the page is read back as text.
#include "report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/unit/base/error_of.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

// A page is too long for a matcher's message.
bool has(std::string_view page, std::string_view text) {
  return page.find(text) != page.npos;
}

constexpr std::string_view kPlotly = "window.Plotly = {react() {}};";  // stands for the real one

class Report : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::path(testing::TempDir()) / (std::string("ilora_report_") + info->name());
    fs::remove_all(root_);
    make_folder(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  static Json results(const std::string& method,
                      const std::vector<std::string>& tasks = {"birds", "bees"}) {
    return {{"schema", 1},
            {"method", method},
            {"tasks", tasks},
            {"seed", 7},
            {"model", "tiny"},
            {"scores", {{0.25, 0.125}, {0.875, 0.25}, {0.5, 0.75}}},
            {"metrics",
             {{"average_accuracy", 0.625},
              {"backward_transfer", -0.375},
              {"forward_transfer", 0.125},
              {"forgetting", 0.375},
              {"intransigence", nullptr}}},
            {"timing",
             {{"train_seconds", 83.0}, {"train_tokens", 9000}, {"tokens_per_second", 1234.0}}},
            {"environment", {{"cpu", "abacus"}, {"threads", 2}}},
            {"measures", {"choice", "choice"}},
            {"status", "finished"}};
  }

  fs::path write_run(const std::string& name, const Json& content,
                     const std::string& metrics = {}) {
    make_folder(root_ / name);
    write_json(root_ / name / "results.json", content);
    if (!metrics.empty()) write_file_atomic(root_ / name / "metrics.jsonl", metrics);
    return root_ / name;
  }

  static std::string step(int64_t number, int task, double loss) {
    const Json event = {{"event", "step"},
                        {"step", number},
                        {"task_index", task},
                        {"loss", loss},
                        {"terms", {{"cross_entropy", loss}}},
                        {"gradient_norms", {{"total", 2 * loss}}}};
    return event.dump() + "\n";
  }

  static std::string page(const std::vector<fs::path>& runs) {
    return render_report(runs, kPlotly);
  }

  static Json embedded(const std::string& html) {
    const std::string open = "id=\"report-data\">";
    const size_t begin = html.find(open) + open.size();
    return Json::parse(html.substr(begin, html.find("</script>", begin) - begin));
  }

  static Json values(const Json& run, const std::string& group, const std::string& name) {
    for (const Json& series : run["curves"]["series"])
      if (series["group"] == group && series["name"] == name) return series["values"];
    return nullptr;
  }

  static std::string failure(const std::vector<fs::path>& runs) {
    return message_of([&] { page(runs); });
  }

  fs::path root_;
};

TEST_F(Report, HoldsTheDataOfARun) {
  const std::string html =
      page({write_run("a", results("seq"), step(1, 0, 2.5) + step(2, 0, 1.5) + step(3, 1, 3))});
  EXPECT_TRUE(has(html, "seq on 2 tasks"));
  EXPECT_TRUE(has(html, "went from 0.188 before training to 0.625"));
  EXPECT_TRUE(has(html, ">−0.375<"));
  EXPECT_TRUE(has(html, ">1 min 23 s<"));
  EXPECT_TRUE(has(html, ">1,234<"));
  EXPECT_TRUE(has(html, "style=\"--v:0.875\""));  // the heat map
  EXPECT_TRUE(has(html, ">0.88<"));
  EXPECT_TRUE(has(html, "abacus"));
  const Json run = embedded(html)["runs"][0];
  EXPECT_EQ(run["scores"], results("seq")["scores"]);
  EXPECT_EQ(run["curves"]["step"], Json({1, 2, 3}));
  EXPECT_EQ(run["curves"]["task_index"], Json({0, 0, 1}));
  EXPECT_EQ(values(run, "loss", "loss"), Json({2.5, 1.5, 3}));
  EXPECT_EQ(values(run, "gradient_norms", "total"), Json({5, 3, 6}));
}

TEST_F(Report, LeavesNoPlaceholderAndLoadsNothing) {
  const std::string html = page({write_run("a", results("seq"))});
  EXPECT_FALSE(has(html, "{{"));
  const auto loads = testing::ContainsRegex("(src|href)[ \n]*=[ \n]*[\"']?[ \n]*(https?:)?//");
  EXPECT_FALSE(testing::Matches(loads)(html));
  EXPECT_TRUE(testing::Matches(loads)(std::string("<script src = '//x'>")));
  EXPECT_FALSE(has(html, "@import"));
  EXPECT_FALSE(has(html, "url("));
  EXPECT_FALSE(has(html, "http:"));
  EXPECT_FALSE(has(html, "https:"));
}

TEST_F(Report, EscapesWhatComesFromFiles) {
  const std::string evil = "</script><script>alert('&\"')</script>";
  Json content = results(evil, {evil, "<!--"});
  for (const char* key : {"model", "status"}) content[key] = evil;
  content["measures"] = {evil, evil};
  content["environment"] = {{"cpu", evil}};
  content["scores_by"] = {{evil, {{evil, content["scores"]}, {"x", Json(1, {0.5, 0.5})}}}};
  const Json event = {{"event", "step"}, {"step", 1}, {"loss", 1}, {"terms", {{evil, 1}}}};
  const std::string clean = page({write_run("clean", results("seq"))});
  const auto scripts = [](const std::string& html) {
    size_t count = 0;
    for (size_t at = html.find("<script"); at != std::string::npos;
         at = html.find("<script", at + 1))
      ++count;
    return count;
  };
  for (const std::string_view plotly : {kPlotly, std::string_view()}) {
    const std::vector<fs::path> runs = {write_run("evil", content, event.dump() + "\n")};
    const std::string html = render_report(runs, plotly);
    EXPECT_EQ(scripts(html), scripts(clean));
    EXPECT_FALSE(has(html, "<script>alert"));
    EXPECT_TRUE(has(html, "&lt;/script&gt;&lt;script&gt;alert(&#39;&amp;&quot;&#39;)"));
    EXPECT_FALSE(has(html, "<!--"));
    const Json data = embedded(html);  // nothing in it ends the element early
    EXPECT_EQ(data["tasks"], Json({evil, "<!--"}));
    EXPECT_EQ(values(data["runs"][0], "loss", evil), Json({1}));
  }
}

TEST_F(Report, AScriptCannotEndItsElement) {
  const std::string html =
      render_report(std::vector<fs::path>{write_run("a", results("seq"))}, "x = '</SCRIPT>';");
  EXPECT_TRUE(has(html, "x = '<\\/SCRIPT>';"));
}

TEST_F(Report, ComparesRunsAndMarksTheBest) {
  Json better = results("ilora");
  better["metrics"]["average_accuracy"] = 0.75;
  const std::vector<fs::path> runs = {write_run("a", results("seq")), write_run("b", better)};
  const std::string html = page(runs);
  EXPECT_THAT(
      html,
      HasSubstr(
          "ilora ends with the highest average accuracy, 0.750; that is 0.125 above seq (0.625)"));
  EXPECT_TRUE(has(html, "<td class=\"number best\" data-label=\"Average accuracy\">0.750"));
  EXPECT_TRUE(has(html, "<td class=\"number\" data-label=\"Average accuracy\">0.625"));
  EXPECT_THAT(
      html,
      HasSubstr("<td class=\"number\" data-label=\"Forgetting\">0.375"));  // equal: none is best
  EXPECT_EQ(embedded(html)["runs"].size(), 2u);
}

TEST_F(Report, TellsRunsOfOneMethodApartAndAveragesThem) {
  Json second = results("seq"), third = results("seq");
  second["seed"] = 8;
  second["metrics"]["average_accuracy"] = 0.725;
  const Json runs = embedded(page(
      {write_run("a", results("seq")), write_run("b", second), write_run("c", third)}))["runs"];
  EXPECT_EQ(runs[1]["label"], "seq, seed 8");
  EXPECT_NE(runs[0]["label"], runs[2]["label"]);  // same seed: told apart by the folder
  const std::string html = page({root_ / "a", root_ / "b"});
  EXPECT_TRUE(has(html, "0.675 ± 0.071"));  // of 0.625 and 0.725, with n - 1
}

TEST_F(Report, MarksNoBestBetweenDifferentTasks) {
  Json other = results("ilora", {"birds", "fish"});
  other["metrics"]["average_accuracy"] = 0.9;
  const std::string html = page({write_run("a", results("seq")), write_run("b", other)});
  EXPECT_FALSE(has(html, "number best"));
  EXPECT_TRUE(has(html, "averages cannot be compared"));
}

TEST_F(Report, ShowsEveryLearner) {
  Json content = results("ilora");
  content["deployed"] = "slow";
  const Json none = nullptr;  // a matrix for each measure, with the tasks that have it
  content["scores_by"] = {{"slow", {{"choice", content["scores"]}}},
                          {"fast",
                           {{"choice", {{0.25, none}, {0.875, none}, {0.25, none}}},
                            {"number", {{none, 0.125}, {none, 0.25}, {none, 0.5}}}}}};
  const std::string html = page({write_run("a", content)});
  EXPECT_TRUE(has(html, "slow <small>deployed</small>"));
  EXPECT_TRUE(has(html, "<caption>fast learner</caption>"));
  EXPECT_TRUE(has(html, "<td class=\"number\">0.375</td>"));  // fast: mean of .25 and .5
}

TEST_F(Report, WithoutPlotlySaysSoAndKeepsTheNumbers) {
  const std::vector<fs::path> runs = {
      write_run("a", results("seq"), step(1, 0, 2.5) + step(2, 1, 1.5))};
  const std::string html = render_report(runs, "");
  EXPECT_TRUE(has(html, "need Plotly.js"));
  EXPECT_TRUE(has(html, "--v:0.875"));
  EXPECT_TRUE(has(html, "Loss at its end"));
  EXPECT_TRUE(has(html, ">2.5<"));
  EXPECT_FALSE(has(page(runs), "need Plotly.js"));
}

TEST_F(Report, ToleratesWhatIsUnknownAndWhatIsMissing) {
  Json bare = {{"tasks", {"birds"}}, {"scores", {{0.5}}}, {"future", {1, 2}}};
  EXPECT_TRUE(has(page({write_run("bare", bare)}), "--v:0.500"));
  const std::string metrics = R"({"event":"weather","terms":3})"
                              "\n\n" +
                              step(1, 0, 1) +
                              R"({"event":"step","step":2,"loss":null,"sun":[]})"
                              "\n";
  const Json run = embedded(page({write_run("odd", results("seq"), metrics)}))["runs"][0];
  EXPECT_EQ(values(run, "loss", "loss"), Json({1, nullptr}));
}

TEST_F(Report, AnInterruptedRunIsShownAsFarAsItWent) {
  Json content = results("seq");
  content["status"] = "interrupted";
  content["scores"] = {{0.25, 0.125}, {0.875, nullptr}};
  for (auto& [key, value] : content["metrics"].items()) value = nullptr;
  const std::string html = page({write_run("a", content)});
  EXPECT_TRUE(has(html, "Not finished"));
  EXPECT_TRUE(has(html, "not evaluated"));
}

TEST_F(Report, IgnoresATornLastLineAndRepeatedSteps) {
  // Killed after step 3, resumed from step 1: steps 2 and 3 are there twice, the later ones count.
  const std::string metrics =
      step(1, 0, 1) + step(2, 0, 9) + step(3, 1, 9) + step(2, 0, 2) + step(3, 1, 3);
  const Json run =
      embedded(page({write_run("a", results("seq"), metrics + R"({"event":"st)")}))["runs"][0];
  EXPECT_EQ(values(run, "loss", "loss"), Json({1, 2, 3}));
}

TEST_F(Report, CountsStepsOverTheRunWhereTasksCountTheirOwn) {
  const std::string metrics = step(1, 0, 4) + step(2, 0, 3) + step(1, 1, 2) + step(2, 1, 1);
  const Json run = embedded(page({write_run("a", results("seq"), metrics)}))["runs"][0];
  EXPECT_EQ(run["curves"]["step"], Json({1, 2, 3, 4}));
  EXPECT_EQ(values(run, "loss", "loss"), Json({4, 3, 2, 1}));
}

TEST_F(Report, StaysSmallHoweverLongTheRun) {
  std::string metrics;
  for (int i = 0; i < 20'000; ++i) metrics += step(i + 1, i / 10'000, 1.0 + i % 2);
  const std::string html = page({write_run("a", results("seq"), metrics)});
  EXPECT_LT(html.size(), size_t{200'000});
  const Json curves = embedded(html)["runs"][0]["curves"];
  EXPECT_EQ(curves["steps_per_point"], 14);  // 20,000 steps in at most about 1,500 points
  EXPECT_EQ(curves["step"].back(), 20'000);
  EXPECT_EQ(values(embedded(html)["runs"][0], "loss", "loss")[0], 1.5);  // the mean of 1 and 2
}

TEST_F(Report, TheRealPageStaysBelowEightMebibytes) {
  const std::vector<fs::path> runs = {write_run("a", results("seq"), step(1, 0, 1))};
  write_report(runs, root_ / "report.html");
  EXPECT_LT(fs::file_size(root_ / "report.html"), 8u << 20);
  EXPECT_EQ(read_file(root_ / "report.html"), render_report(runs));
}

TEST_F(Report, DamagedInputNamesItsFile) {
  EXPECT_THAT(failure({}), HasSubstr("at least one run folder"));
  EXPECT_THAT(failure({root_ / "nowhere"}), HasSubstr("nowhere/results.json"));
  make_folder(root_ / "cut");
  write_file_atomic(root_ / "cut/results.json", "{\"schema\": 1,\n \"tasks\": [");
  EXPECT_THAT(failure({root_ / "cut"}),
              testing::AllOf(HasSubstr("cut/results.json"), HasSubstr("line 2")));

  const std::string middle = step(1, 0, 1) + "{\"event\":\n" + step(2, 0, 1);
  EXPECT_THAT(failure({write_run("middle", results("seq"), middle)}),
              HasSubstr("middle/metrics.jsonl, line 2"));

  const auto with = [this](const std::string& key, const Json& value) {
    Json content = results("seq");
    content[key] = value;
    return failure({write_run("wrong", content)});
  };
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, Json>>{{"tasks", nullptr},
                                                 {"tasks", Json::array()},
                                                 {"tasks", {1, 2}},
                                                 {"scores", "none"},
                                                 {"scores", {{0.5}}},
                                                 {"scores", {{0.5, "x"}}},
                                                 {"scores", {{1, 1}, {1, 1}, {1, 1}, {1, 1}}},
                                                 {"measures", {"choice"}},
                                                 {"seed", "one"},
                                                 {"metrics", {{"forgetting", "much"}}},
                                                 {"schema", 2}}) {
    const std::string message = with(key, value);
    EXPECT_THAT(message, testing::AllOf(HasSubstr(key), HasSubstr("wrong/results.json")))
        << value.dump();
  }
}

TEST_F(Report, HoldsWhatTheAnalysesOfItsRunsWrote) {
  const fs::path a = write_run("a", results("seq")), b = write_run("b", results("er"));
  const auto write = [](const fs::path& run, const std::string& name, const std::string& kind) {
    make_folder(run / "analysis");
    write_json(run / "analysis" / (name + ".json"),
               {{"analysis", kind},
                {"title", "Title of " + kind},
                {"text", {"A <b> sentence."}},
                {"figures", {{{"id", "x"}, {"values", {0.123456789, 1e-9}}}}}});
  };
  write(a, "plane", "plane");
  write(a, "path", "path");
  write(b, "path", "path");
  const std::string html = page({a, b});
  const size_t path = html.find("id=\"analysis-path\""), plane = html.find("id=\"analysis-plane\"");
  EXPECT_LT(path, plane);
  EXPECT_NE(plane, std::string::npos);
  EXPECT_TRUE(has(html, "<b>er</b>: A &lt;b&gt; sentence."));
  const Json data = embedded(html)["analyses"];
  ASSERT_EQ(data.size(), 2U);
  EXPECT_EQ(data[0]["runs"].size(), 2U);
  EXPECT_EQ(data[0]["runs"][1]["label"], "er");
  EXPECT_EQ(data[1]["runs"].size(), 1U);
  EXPECT_EQ(data[0]["runs"][0]["figures"][0]["values"], Json({0.123457, 1e-9}));
  // One run alone needs no name beside its sentences; none, no section.
  EXPECT_FALSE(has(page({a}), "<b>seq</b>: A"));
  EXPECT_FALSE(has(page({write_run("c", results("ewc"))}), "id=\"analysis-"));
}

TEST_F(Report, MethodsWithSeveralRunsAreComparedByTheirMeans) {
  Json low = results("ilora"), high = low;
  low["metrics"]["average_accuracy"] = 0.5;
  high["metrics"]["average_accuracy"] = 1.0;
  high["metrics"]["backward_transfer"] = 0.125;
  const std::string html =
      page({write_run("a", results("seq")), write_run("b", low), write_run("c", high)});
  EXPECT_TRUE(has(html,
                  "ilora ends with the highest average accuracy, 0.750; that is 0.125 above "
                  "seq (0.625)"));
  EXPECT_TRUE(has(html, "is −0.125 for ilora and −0.375 for seq"));
  EXPECT_TRUE(has(html, "means over a method's runs") ||
              has(html, "means over a method&#39;s runs"));
}

TEST_F(Report, NegativeFiguresHaveAMinusSign) {
  Json better = results("ilora");
  better["metrics"]["forgetting"] = -0.031;
  const std::string html = page({write_run("a", results("seq")), write_run("b", better)});
  EXPECT_TRUE(has(html, ">−0.031<"));
  EXPECT_FALSE(has(html, ">-0.031<"));
}

TEST_F(Report, AFileThatIsNoAnalysisIsNamed) {
  const fs::path a = write_run("a", results("seq"));
  make_folder(a / "analysis");
  write_json(a / "analysis" / "notes.json", {{"title", 3}});
  EXPECT_THAT(failure({a}), HasSubstr("notes.json"));
}

TEST_F(Report, ComparisonTableIsAligned) {
  Json other = results("ilora");
  other["metrics"]["average_accuracy"] = nullptr;
  other["metrics"]["backward_transfer"] = 0.0625;
  const std::vector<fs::path> runs = {write_run("a", results("seq")), write_run("b", other)};
  EXPECT_EQ(comparison_table(runs),
            "method  seed  average  backward  forgetting  birds   bees\n"
            "seq        7    0.625    -0.375       0.375  0.500  0.750\n"
            "ilora      7        -     0.062       0.375  0.500  0.750\n");
}

TEST_F(Report, ComparisonTableKeepsControlCharactersOutOfTheTerminal) {
  const std::vector<fs::path> runs = {
      write_run("a", results("s\x1b[31mq", {"a\nb", "ein sehr langer Name für eine Aufgabe"}))};
  const std::string table = comparison_table(runs);
  EXPECT_THAT(table, Not(HasSubstr("\x1b")));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 2);
  EXPECT_THAT(table, HasSubstr("ein sehr langer…"));
}

}  // namespace
}  // namespace ilora
