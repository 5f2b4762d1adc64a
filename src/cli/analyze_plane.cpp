// ilora analyze plane: losses on a plane in the space of adapters, and where the learners went on
// it.
#include <fmt/ranges.h>

#include <algorithm>

#include "analysis/directions.h"
#include "analysis/interpolate.h"
#include "base/error.h"
#include "base/progress.h"
#include "cli/analyze.h"
#include "cli/console.h"
#include "report/figures.h"

namespace ilora {
namespace {

struct PlaneArguments : AnalyzeOptions {
  std::vector<int64_t> through;
  std::string learner, directions = "checkpoints";
  int64_t grid = 11, seed = 1;
  double margin = 0.25, reach = 1;
  bool scores = false;
};

struct Checkpoint {
  std::string learner;
  int64_t task = 0;
  Adapter adapter;

  std::span<const float> values() const {
    return {adapter.values().ptr<float>(), static_cast<size_t>(adapter.layout().size())};
  }
};

// Every checkpoint of the run's learners.
std::vector<Checkpoint> all_checkpoints(AnalyzedRun& run) {
  std::vector<Checkpoint> list;
  for (const int64_t task : run.saved_tasks()) {
    for (const std::string& learner : run.folder().learners(task)) {
      list.push_back({learner, task, run.adapter(run.checkpoint(task, learner))});
      require_same_layout(list.front().adapter, list.front().learner, list.back().adapter,
                          list.back().learner);
    }
  }
  return list;
}

const Checkpoint& find(const std::vector<Checkpoint>& list, AnalyzedRun& run,
                       const std::string& learner, int64_t task) {
  run.checkpoint(task, learner);  // throws where there is none
  return *std::find_if(list.begin(), list.end(),
                       [&](const Checkpoint& c) { return c.learner == learner && c.task == task; });
}

Plane choose_plane(const PlaneArguments& a, AnalyzedRun& run, const std::vector<Checkpoint>& list,
                   std::vector<int64_t>& through) {
  const std::string learner = run.learner(a.learner);
  const int64_t last = run.last_task();
  if (a.directions == "random") {
    const Checkpoint& centre = find(list, run, learner, through.empty() ? last : through[0]);
    through = {centre.task};
    Plane plane;
    plane.origin.assign(centre.values().begin(), centre.values().end());
    const auto seed = static_cast<uint64_t>(a.seed);
    plane.e1 = filter_normalised_direction(centre.adapter.layout(), centre.adapter.values(),
                                           Random(seed, Stream::kAnalysis, 20));
    plane.e2 = filter_normalised_direction(centre.adapter.layout(), centre.adapter.values(),
                                           Random(seed, Stream::kAnalysis, 21));
    return plane;
  }
  if (through.empty()) through = {1, (last + 1) / 2, last};
  if (through.size() != 3 || last < 3) {
    throw Error(ErrorKind::kUsage,
                last < 3
                    ? fmt::format("[analyze] a plane goes through three checkpoints, and {} has {}",
                                  a.run, last)
                    : fmt::format("[analyze] a plane goes through three checkpoints, got {}",
                                  through.size()),
                "For example --through 1,2,3; or --directions random around one.");
  }
  return plane_through(find(list, run, learner, through[0]).values(),
                       find(list, run, learner, through[1]).values(),
                       find(list, run, learner, through[2]).values());
}

// Evenly spaced values that cover the coordinates and a margin on both sides.
std::vector<double> axis(std::vector<double> covered, double margin, int64_t count) {
  const auto [low, high] = std::minmax_element(covered.begin(), covered.end());
  const double pad = margin * (*high - *low), first = *low - pad, length = *high - *low + 2 * pad;
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(first + length * static_cast<double>(i) / static_cast<double>(count - 1));
  return values;
}

struct Grid {
  std::vector<double> x, y;
  std::vector<Values> values;  // row by row of y
};

Grid measure_grid(const PlaneArguments& a, Landscape& landscape, const Plane& plane,
                  const Adapter& like, std::vector<double> x, std::vector<double> y) {
  constexpr size_t kTogether = 22;
  Grid grid{std::move(x), std::move(y), {}};
  const size_t points = grid.x.size() * grid.y.size();
  Progress progress(log(), "plane", static_cast<int64_t>(points), "point");
  for (size_t first = 0; first < points; first += kTogether) {
    std::vector<Adapter> adapters;
    for (size_t i = first; i < std::min(points, first + kTogether); ++i) {
      Adapter& adapter = adapters.emplace_back(landscape.engine().config(), like.options());
      plane.point(adapter.values(), grid.x[i % grid.x.size()], grid.y[i / grid.x.size()]);
    }
    for (Values& values : landscape.measure_each(adapters, a.scores))
      grid.values.push_back(std::move(values));
    progress.advance(static_cast<int64_t>(adapters.size()));
  }
  progress.finish();
  return grid;
}

Json trajectories(const std::vector<Checkpoint>& list, const Plane& plane) {
  Json paths = Json::array();
  std::vector<std::string> learners;
  for (const Checkpoint& c : list) {
    if (std::find(learners.begin(), learners.end(), c.learner) == learners.end())
      learners.push_back(c.learner);
  }
  for (const std::string& learner : learners) {
    Json path = {{"name", learner}};
    std::vector<std::span<const float>> points;
    for (const Checkpoint& c : list) {
      if (c.learner != learner) continue;
      const Projection at = project(plane, c.values());
      path["x"].push_back(at.x);
      path["y"].push_back(at.y);
      path["distance"].push_back(at.distance);
      path["labels"].push_back(fmt::format("after task {}", c.task));
      points.push_back(c.values());
    }
    path["variance_share"] = variance_share(plane, points);
    paths.push_back(path);
  }
  return paths;
}

// One view per task, the mean over all first.
Json map_views(const Grid& grid, const std::vector<TaskEval>& tasks, const Json& paths,
               double TaskValue::*value) {
  Json views = Json::array();
  for (size_t t = 0; t <= tasks.size(); ++t) {
    Json z = Json::array();
    for (size_t i = 0; i < grid.y.size(); ++i) {
      Json row = Json::array();
      for (size_t j = 0; j < grid.x.size(); ++j) {
        const Values& at = grid.values[i * grid.x.size() + j];
        double sum = 0;
        for (size_t k = 0; k < tasks.size(); ++k) {
          if (t == 0 || k + 1 == t)
            sum += at[k].*value / (t == 0 ? static_cast<double>(tasks.size()) : 1.0);
        }
        row.push_back(sum);
      }
      z.push_back(row);
    }
    views.push_back({{"name", t == 0 ? "mean of all tasks" : tasks[t - 1].name},
                     {"x", grid.x},
                     {"y", grid.y},
                     {"z", z},
                     {"paths", paths}});
  }
  return views;
}

NumberTable csv_of(const Grid& grid, const std::vector<TaskEval>& tasks) {
  NumberTable csv{{"x", "y", "task", "loss", "score"}, {}};
  for (size_t i = 0; i < grid.values.size(); ++i) {
    for (size_t t = 0; t < tasks.size(); ++t)
      csv.rows.push_back({csv_number(grid.x[i % grid.x.size()]),
                          csv_number(grid.y[i / grid.x.size()]), tasks[t].name,
                          csv_number(grid.values[i][t].loss), csv_number(grid.values[i][t].score)});
  }
  return csv;
}

std::string spanned_by(const std::string& learner, const std::vector<int64_t>& through,
                       bool random) {
  if (!random)
    return fmt::format("through the {} learner after tasks {}", learner, fmt::join(through, ", "));
  return fmt::format(
      "spanned by two random directions, normalised filter by filter, around the {} learner after "
      "task {}",
      learner, through[0]);
}

void analyze_plane(const PlaneArguments& a) {
  AnalyzedRun run(a);
  const std::vector<Checkpoint> list = all_checkpoints(run);
  std::vector<int64_t> through = a.through;
  const Plane plane = choose_plane(a, run, list, through);
  const bool random = a.directions == "random";
  const Json paths = trajectories(list, plane);
  std::vector<double> x, y;
  if (random) {
    x = y = axis({-a.reach, a.reach}, 0, a.grid);
  } else {
    for (const Json& path : paths) {
      for (size_t i = 0; i < path["x"].size(); ++i) {
        x.push_back(path["x"][i]);
        y.push_back(path["y"][i]);
      }
    }
    x = axis(x, a.margin, a.grid);
    y = axis(y, a.margin, a.grid);
  }
  Landscape landscape = run.landscape(parse_split(a.split));
  const Grid grid = measure_grid(a, landscape, plane, list.front().adapter, x, y);

  std::string terminal =
      fmt::format("The plane {}.\n", spanned_by(run.learner(a.learner), through, random));
  Json text = {terminal.substr(0, terminal.size() - 1)};
  for (const Json& path : paths) {
    text.push_back(fmt::format("It holds {:.0f} % of the variance of the {} learner's way.",
                               100 * path["variance_share"].get<double>(),
                               path["name"].get<std::string>()));
    terminal += text.back().get<std::string>() + "\n";
  }
  const auto figure = [&](const std::string& id, const std::string& title, const std::string& z,
                          double TaskValue::*value) {
    return map_figure({id, title, random ? "first direction" : "along the first two checkpoints",
                       random ? "second direction" : "across", z},
                      map_views(grid, landscape.tasks(), paths, value),
                      {{"contours", true}, {"log", z == "loss"}});
  };
  Json result = analysis_result(run, "plane", "A plane through the landscape");
  result["split"] = a.split;
  result["directions"] = a.directions;
  result["through"] = through;
  result["trajectories"] = paths;
  result["text"] = text;
  result["figures"].push_back(figure("loss", "Loss", "loss", &TaskValue::loss));
  if (a.scores) result["figures"].push_back(figure("score", "Score", "score", &TaskValue::score));
  finish_analysis(run, a, result, csv_of(grid, landscape.tasks()), terminal);
}

}  // namespace

void add_analyze_plane(CLI::App& analyze) {
  CLI::App* command = analyze.add_subcommand(
      "plane", "losses on a plane through three checkpoints, and the learners' way on it");
  auto a = std::make_shared<PlaneArguments>();
  a->add(*command, "plane");
  command
      ->add_option("--through", a->through,
                   "three tasks, such as 1,2,3: the checkpoints after them (default: first, middle "
                   "and last); one, with random directions")
      ->delimiter(',');
  command->add_option("--learner", a->learner, "whose checkpoints (default: the one that answers)");
  command
      ->add_option("--directions", a->directions,
                   "checkpoints, or random: two directions around one checkpoint, each filter as "
                   "long as the adapter's")
      ->check(CLI::IsMember({"checkpoints", "random"}))
      ->capture_default_str();
  command->add_option("--grid", a->grid, "points along each side")
      ->check(CLI::Range(2, 101))
      ->capture_default_str();
  command
      ->add_option("--margin", a->margin,
                   "how far beyond the checkpoints, as a share of the extent")
      ->check(not_below_zero())
      ->capture_default_str();
  command->add_option("--reach", a->reach, "of random directions: from -reach to reach")
      ->check(above_zero())
      ->capture_default_str();
  command->add_option("--seed", a->seed, "of random directions")->capture_default_str();
  command->add_flag("--scores", a->scores, "scores too, not the loss alone");
  a->add_measured(*command);
  command->callback([a] { analyze_plane(*a); });
}

}  // namespace ilora
