// `ilora analyze` on whole runs of the tiny model: the ends of a path are the checkpoints, what is
// written, what the page holds, and what is said of bad input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/curve.h"
#include "model/peft.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

// One run of three tasks for all tests.
class Analysis : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    const Outcome outcome = run_ilora(*folder_, train_arguments(tiny_settings(run(), "ilora")));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  static void TearDownTestSuite() { delete folder_; }

  static fs::path run() { return *folder_ / "run"; }
  static Outcome analyze(const std::string& what, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"analyze", what, run().string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_ilora(*folder_, arguments);
  }
  static Json analyze_json(const std::string& what, std::vector<std::string> more = {}) {
    more.emplace_back("--json");
    const Outcome outcome = analyze(what, more);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? Json::parse(outcome.out) : Json();
  }
  static const Json& point(const Json& points, double alpha) {
    for (const Json& p : points) {
      if (p.at("alpha") == alpha) return p;
    }
    static const Json none;
    return none;
  }

  static TemporaryFolder* folder_;
};
TemporaryFolder* Analysis::folder_ = nullptr;

TEST_F(Analysis, TheEndsOfAPathHaveTheCheckpointsOwnScores) {
  const Json results = results_of(run());
  for (const std::string learner : {"fast", "slow"}) {
    const Json path =
        analyze_json("path", {"--pair", "1,3", "--learner", learner, "--points", "7"});
    const Json& points = path.at("points");
    EXPECT_EQ(points.size(), 7U);
    const auto& scores = results.at("scores_by").at(learner);
    for (const auto& [alpha, row] : {std::pair(0.0, 1), std::pair(1.0, 3)}) {
      for (size_t t = 0; t < 3; ++t) {
        const std::string task = results["tasks"][t];
        double expected = -1;
        for (const auto& [measure, matrix] : scores.items()) {
          if (matrix[static_cast<size_t>(row)][t].is_number())
            expected = matrix[static_cast<size_t>(row)][t];
        }
        EXPECT_EQ(point(points, alpha).at("tasks").at(task).at("score").get<double>(), expected)
            << learner << " at " << alpha << " on " << task;
        EXPECT_GT(point(points, alpha)["tasks"][task].at("loss").get<double>(), 0);
      }
    }
  }
}

TEST_F(Analysis, APathTellsGroupsBarriersAndTheGapBetweenItsSpaces) {
  const Json path = analyze_json(
      "path", {"--pair", "2,3", "--space", "both", "--points", "5", "--choose", "test"});
  ASSERT_EQ(path.at("paths").size(), 2U);
  const Json& factors = path["paths"][0];
  EXPECT_EQ(factors.at("space"), "factors");
  EXPECT_EQ(path["paths"][1].at("space"), "product");
  EXPECT_EQ(factors.at("old"), Json({"alpha", "beta"}));
  EXPECT_EQ(factors.at("new"), Json({"gamma"}));
  EXPECT_GE(factors.at("barrier").get<double>(), 0);
  for (const char* group : {"old", "new", "all"}) {
    const Json& best = factors.at("best").at(group);
    const double better = std::max(best["ends"][0].get<double>(), best["ends"][1].get<double>());
    EXPECT_GE(best.at("score").get<double>(), better);  // the ends are points themselves
    EXPECT_NEAR(best.at("gain").get<double>(), best["score"].get<double>() - better, 1e-12);
  }
  // The two spaces meet at the ends, and are measured apart between them.
  for (const double end : {0.0, 1.0})
    EXPECT_EQ(point(factors["points"], end)["tasks"],
              point(path["paths"][1]["points"], end)["tasks"]);
  EXPECT_GT(path.at("gap")[0].at("tasks").at("alpha").at("loss").get<double>(), 0);
}

TEST_F(Analysis, WritesItsFilesAndASectionOfThePage) {
  ASSERT_EQ(analyze("path", {"--points", "4", "--name", "between"}).code, 0);
  const fs::path analysis = run() / "analysis";
  const Json json = read_json(analysis / "between.json");
  EXPECT_EQ(json.at("points").size(), 4U);
  EXPECT_EQ(json.at("figures").size(), 3U);
  const std::string csv = read_file(analysis / "between.csv");
  EXPECT_THAT(csv, HasSubstr("path,space,curve,alpha,task,loss,score\n"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 4 * 3);
  EXPECT_THAT(read_file(run() / "report.html"), HasSubstr("id=\"analysis-between\""));
  fs::remove_all(analysis);  // other tests count what is there
}

TEST_F(Analysis, TheBestPointIsAnAdapterWithThatPointsScores) {
  const fs::path best = *folder_ / "best";
  const Json path = analyze_json("path", {"--pair", "1,3", "--export-best", best.string()});
  const double alpha = path.at("paths")[0].at("best").at("all").at("alpha");
  const ModelConfig config = TinyRun(tiny_settings(run(), "ilora")).model();
  const RunFolder folder(run());
  const Adapter a = load_peft(folder.adapter(1, "slow"), config);
  const Adapter b = load_peft(folder.adapter(3, "slow"), config), got = load_peft(best, config);
  for (int64_t i = 0; i < got.layout().size(); ++i)
    ASSERT_NEAR(got.values().ptr<float>()[i],
                (1 - alpha) * static_cast<double>(a.values().ptr<float>()[i]) +
                    alpha * static_cast<double>(b.values().ptr<float>()[i]),
                1e-6);
  // As the end of another path it is the same model.
  const Json again = analyze_json(
      "path", {"--from-adapter", best.string(), "--to-adapter", folder.adapter(3, "slow").string(),
               "--points", "2", "--from", "0", "--to", "1"});
  for (const auto& [task, value] : again.at("points")[0].at("tasks").items()) {
    const Json& before = point(path["points"], alpha)["tasks"][task];
    EXPECT_NEAR(value.at("loss").get<double>(), before.at("loss").get<double>(), 1e-5);
    EXPECT_EQ(value.at("score"), before.at("score"));
  }
}

TEST_F(Analysis, ATrainedCurveDoesNotRiseAboveTheLine) {
  TinyRun tiny(tiny_settings(run(), "ilora"));
  const RunFolder folder(run());
  const Adapter a = load_peft(folder.adapter(1, "fast"), tiny.model());
  const Adapter b = load_peft(folder.adapter(3, "fast"), tiny.model());
  Adapter scratch = load_peft(folder.adapter(3, "fast"), tiny.model());
  std::vector<Row> rows = tiny.rows(0), more = tiny.rows(2);
  rows.insert(rows.end(), more.begin(), more.end());
  const auto all = pointers(rows);
  CurveTraining training;
  training.steps = 80;
  training.batch_size = 16;
  training.learning_rate = 0.02;
  Buffer bend(DType::kF32, {a.layout().size()});
  curve_point(bend.view(), CurveKind::kLine, a.values(), {}, b.values(), 0.5);
  train_bend(tiny.engine().kernels(), CurveKind::kBezier, a.values(), bend.view(), b.values(),
             training, loss_on_rows(tiny.engine(), scratch, all, training));
  CurveTraining whole;
  whole.batch_size = static_cast<int64_t>(rows.size());
  const LossAt loss = loss_on_rows(tiny.engine(), scratch, all, whole);
  const auto highest = [&](CurveKind kind) {
    const Buffer at(DType::kF32, {a.layout().size()}), unused(DType::kF32, {a.layout().size()});
    double high = 0;
    for (int i = 0; i <= 10; ++i) {
      curve_point(at.view(), kind, a.values(), bend.view(), b.values(), i / 10.0);
      high = std::max(high, loss(unused.view(), at.view(), 0));
    }
    return high;
  };
  EXPECT_LE(highest(CurveKind::kBezier), highest(CurveKind::kLine));
}

TEST_F(Analysis, DistancesSubspacesAndRepresentations) {
  const Json distance = analyze_json("distance");
  EXPECT_EQ(distance.at("adapters").size(), 6U);  // fast and slow after three tasks
  const Json& products = distance.at("distance").at("products");
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(products[i][i], 0);
    EXPECT_EQ(products[i][(i + 1) % 6], products[(i + 1) % 6][i]);
    EXPECT_GT(products[i][(i + 2) % 6].get<double>(), 0);
  }
  const Json subspace = analyze_json("subspace", {"--learner", "fast"});
  ASSERT_EQ(subspace.at("pairs").size(), 2U);
  for (const auto& [block, angles] : subspace["pairs"][0].at("degrees").items()) {
    for (const Json& angle : angles.at("input")) {
      EXPECT_GE(angle.get<double>(), 0);
      EXPECT_LE(angle.get<double>(), 90 + 1e-9);
    }
  }
  const Json cka = analyze_json("cka");
  const Json& drift = cka.at("drift").at("alpha");
  EXPECT_EQ(drift.size(), 3U);  // base, task 2, task 3
  // The embedding has no adapter.
  const Json& embedding = drift.at("base")[0];
  EXPECT_NEAR(embedding.get<double>(), 1, 1e-6);
  EXPECT_NE(drift.at("base").back(), 1);
}

TEST_F(Analysis, PlanesAndSharpness) {
  const Json plane = analyze_json("plane", {"--grid", "3"});
  EXPECT_EQ(plane.at("through"), Json({1, 2, 3}));
  ASSERT_EQ(plane.at("trajectories").size(), 2U);
  for (const Json& path : plane["trajectories"]) {
    EXPECT_EQ(path.at("x").size(), 3U);
    EXPECT_LE(path.at("variance_share").get<double>(), 1 + 1e-9);
    // The plane is the slow learner's own.
    if (path.at("name") == "slow") {
      EXPECT_NEAR(path["variance_share"].get<double>(), 1, 1e-6);
    }
  }
  const Json random = analyze_json("plane", {"--grid", "2", "--directions", "random", "--scores"});
  EXPECT_EQ(random.at("through"), Json({3}));
  const Json sharpness =
      analyze_json("sharpness", {"--hessian-rows", "6", "--probes", "2", "--steps", "4"});
  ASSERT_EQ(sharpness.at("points").size(), 3U);
  for (const Json& p : sharpness["points"]) {
    EXPECT_GT(p.at("largest").get<double>(), 0);
    EXPECT_EQ(p.at("ritz_values").size(), 4U);
  }
  const Json along = analyze_json("sharpness", {"--hessian-rows", "3", "--probes", "1", "--steps",
                                                "2", "--pair", "1,2", "--points", "3"});
  EXPECT_EQ(along.at("points").size(), 3U);
}

TEST_F(Analysis, PathsBetweenRuns) {
  const fs::path other = *folder_ / "other";
  const Outcome trained = run_ilora(
      *folder_, train_arguments(tiny_settings(other, "seq", {"seed=2", "data.tasks=beta"})));
  ASSERT_EQ(trained.code, 0) << trained.err;
  const Json path = analyze_json("path", {"--to-run", other.string(), "--learner", "fast", "--pair",
                                          "1,1", "--points", "3", "--from", "0", "--to", "1"});
  EXPECT_EQ(path.at("paths")[0].at("old"), Json({"alpha"}));
  EXPECT_EQ(path["paths"][0].at("new"), Json({"beta"}));
  const Outcome wrong = run_ilora(
      *folder_,
      train_arguments(tiny_settings(*folder_ / "rank", "seq",
                                    {"lora.rank=2", "data.tasks=beta", "train.epochs=1"})));
  ASSERT_EQ(wrong.code, 0) << wrong.err;
  const Outcome refused =
      analyze("path", {"--to-run", (*folder_ / "rank").string(), "--pair", "1,1"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("expected adapters of one layout"));
  EXPECT_THAT(refused.err, HasSubstr("rank 2"));
}

// A checkpoint of all tasks, soft prompts that grow, a pool of them, one task alone.
TEST_F(Analysis, RunsOfOtherShapes) {
  const auto train = [&](const std::string& method, const Settings& more) {
    const fs::path run = *folder_ / ("of-" + method + (more.size() > 1 ? "-1" : ""));
    Settings settings = {"train.epochs=1"};
    settings.insert(settings.end(), more.begin(), more.end());
    const Outcome outcome =
        run_ilora(*folder_, train_arguments(tiny_settings(run, method, settings)));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return run.string();
  };
  const auto analyzed = [&](const std::string& what, const std::string& run,
                            const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"analyze", what, run, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_ilora(*folder_, arguments);
  };
  const std::string mtl = train("mtl", {}), pp = train("pp", {"data.tasks=alpha,beta"}),
                    l2p = train("l2p", {"data.tasks=alpha,beta"});
  for (const auto& more : std::vector<std::vector<std::string>>{{}, {"--all-pairs"}}) {
    const Outcome outcome = analyzed("path", mtl, more);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("one checkpoint only"));
  }
  const Outcome drift = analyzed("cka", mtl);
  ASSERT_EQ(drift.code, 0) << drift.err;
  EXPECT_EQ(Json::parse(drift.out).at("drift").at("alpha").size(), 1U);  // the base alone
  const Outcome grown = analyzed("path", pp);
  EXPECT_EQ(grown.code, 1);
  EXPECT_THAT(grown.err, HasSubstr("soft prompts"));
  const std::vector<std::string> few = {"--hessian-rows", "4", "--probes", "1", "--steps", "2"};
  const Outcome sharp = analyzed("sharpness", pp, few);
  ASSERT_EQ(sharp.code, 0) << sharp.err;
  const Json sharpness = Json::parse(sharp.out);
  for (const Json& point : sharpness.at("points")) EXPECT_NE(point.at("largest"), 0);
  EXPECT_EQ(analyzed("sharpness", l2p, few).code, 1) << "which prompts a row takes has no gradient";
  const std::string one = train("ilora", {"data.tasks=alpha", "seed=3"});
  EXPECT_EQ(analyzed("distance", one).code, 0);
  EXPECT_EQ(analyzed("subspace", one).code, 2);
  const Json distance = read_json(fs::path(one) / "analysis/distance.json");
  for (const Json& figure : distance.at("figures")) EXPECT_FALSE(figure.at("views").empty());
  // Of one task the representations are compared with those after that task.
  const Json gamma = analyze_json("cka", {"--task", "gamma"}).at("drift").at("gamma");
  EXPECT_FALSE(gamma.contains("task 3"));
}

TEST_F(Analysis, SaysWhatIsWrong) {
  const auto error = [&](const std::string& what, const std::vector<std::string>& more, int code) {
    const Outcome outcome = analyze(what, more);
    EXPECT_EQ(outcome.code, code) << outcome.all();
    return outcome.err;
  };
  EXPECT_THAT(error("path", {"--pair", "1,9"}, 1), HasSubstr("checkpoints of tasks 1, 2, 3"));
  EXPECT_THAT(error("path", {"--pair", "one"}, 2), HasSubstr("--pair 1,2"));
  EXPECT_THAT(error("path", {"--learner", "middle"}, 1), HasSubstr("fast, slow"));
  EXPECT_THAT(error("path", {"--from", "0.5"}, 2), HasSubstr("--from -0.25"));
  EXPECT_THAT(error("path", {"--space", "product", "--curve", "bezier"}, 2),
              HasSubstr("runs through factors"));
  EXPECT_THAT(error("path", {"--old", "nothing"}, 2), HasSubstr("no task is called nothing"));
  EXPECT_THAT(error("path", {"--old", "alpha", "--new", "alpha"}, 2),
              HasSubstr("as old and as new"));
  EXPECT_THAT(error("path", {"--all-pairs", "--export-best", "x"}, 2), HasSubstr("one path"));
  EXPECT_THAT(error("path", {"--set", "data.folder=/nowhere"}, 1),
              HasSubstr("no folder /nowhere (data.folder)"));
  EXPECT_THAT(error("path", {"--from-adapter", "x"}, 2), HasSubstr("both its ends"));
  EXPECT_THAT(error("path", {"--name", "../x"}, 2), HasSubstr("letters, digits"));
  EXPECT_THAT(error("plane", {"--through", "1,2"}, 2), HasSubstr("three checkpoints"));
  EXPECT_THAT(error("plane", {"--through", "1,1,2"}, 1), HasSubstr("--through"));
  const Outcome missing = run_ilora(*folder_, {"analyze", "path", "/nowhere"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, HasSubstr("no run folder"));
}

}  // namespace
}  // namespace ilora::testing
