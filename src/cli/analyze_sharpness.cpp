// ilora analyze sharpness: trace and largest eigenvalue of the loss's Hessian, at checkpoints or
// along a path.
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "analysis/interpolate.h"
#include "analysis/path.h"
#include "analysis/sharpness.h"
#include "base/error.h"
#include "base/progress.h"
#include "cli/analyze.h"
#include "cli/console.h"
#include "report/figures.h"

namespace ilora {
namespace {

struct SharpnessArguments : AnalyzeOptions {
  std::string learner, pair;
  int64_t points = 5, total_rows = 32;
  SharpnessOptions options;
};

struct Place {
  std::string name;
  Json x;  // a number along a path, else the name
  Adapter adapter;
};

std::vector<Place> places(AnalyzedRun& run, const SharpnessArguments& a) {
  const std::string learner = run.learner(a.learner);
  std::vector<Place> list;
  if (a.pair.empty()) {
    for (const int64_t k : run.saved_tasks()) {
      const std::string name = fmt::format("task {}", k);
      list.push_back({name, name, run.adapter(run.checkpoint(k, learner))});
    }
    return list;
  }
  const auto [from, to] = parse_pair(a.pair);
  const Adapter first = run.adapter(run.checkpoint(from, learner));
  const Adapter last = run.adapter(run.checkpoint(to, learner));
  require_same_layout(first, fmt::format("task {}", from), last, fmt::format("task {}", to));
  for (const double alpha : path_alphas(a.points, 0, 1)) {
    Place place{fmt::format("α {:.3g}", alpha), alpha, Adapter(run.config(), first.options())};
    interpolate_factors(place.adapter, first, last, alpha);
    list.push_back(std::move(place));
  }
  return list;
}

// `count` rows, the same number of each task as far as they go, from the beginning of its training
// split.
std::vector<Row> choose_rows(AnalyzedRun& run, int64_t count) {
  const auto per_task =
      static_cast<size_t>(std::max<int64_t>(1, count / static_cast<int64_t>(run.texts().size())));
  std::vector<Row> chosen;
  for (const TaskText& text : run.texts()) {
    std::vector<Row> rows = run.training_rows({text.name});
    rows.resize(std::min(rows.size(), per_task));
    chosen.insert(chosen.end(), rows.begin(), rows.end());
  }
  return chosen;
}

Json figure(const std::string& id, const std::string& title, const std::vector<Place>& list,
            Json series) {
  Json x = Json::array();
  for (const Place& place : list) x.push_back(place.x);
  const Json& values = series[0]["values"];
  const bool positive =
      std::all_of(values.begin(), values.end(), [](const Json& v) { return v.get<double>() > 0; });
  return lines_figure({id, title, list.front().x.is_number() ? "α" : "checkpoint", title},
                      Json::array({{{"name", ""}, {"x", x}, {"series", std::move(series)}}}),
                      {{"log", positive}});
}

void analyze_sharpness(SharpnessArguments a) {
  // Differences of gradients drown in the rounding of bf16.
  a.settings.emplace_back("engine.mode=f32");
  AnalyzedRun run(a);
  const std::vector<Place> list = places(run, a);
  const std::vector<Row> rows = choose_rows(run, a.total_rows);
  const std::vector<const Row*> pointers = row_pointers(rows);
  NumberTable csv{{"place", "trace", "trace_error", "largest", "largest_residual", "smallest"}, {}};
  std::string terminal = fmt::format("{:<12} {:>12} {:>10} {:>12} {:>10} {:>12}\n", "", "trace",
                                     "±", "largest", "residual", "smallest");
  Json points = Json::array(), traces = Json::array(), largest = Json::array();
  Progress progress(log(), "sharpness", static_cast<int64_t>(list.size()), "place");
  SharpnessOptions options = a.options;
  options.loss = run.recipe().loss();
  for (const Place& place : list) {
    Adapter scratch(run.config(), place.adapter.options());
    const Sharpness s =
        measure_sharpness(run.bench().engine, place.adapter, scratch, pointers, options);
    const auto& spectrum = s.spectrum;
    points.push_back({{"place", place.name},
                      {"trace", s.trace.trace},
                      {"trace_error", s.trace.standard_error},
                      {"largest", spectrum.values.front()},
                      {"largest_residual", spectrum.largest_residual},
                      {"ritz_values", spectrum.values}});
    traces.push_back(s.trace.trace);
    largest.push_back(spectrum.values.front());
    csv.rows.push_back({place.name, csv_number(s.trace.trace), csv_number(s.trace.standard_error),
                        csv_number(spectrum.values.front()), csv_number(spectrum.largest_residual),
                        csv_number(spectrum.values.back())});
    terminal +=
        fmt::format("{:<12} {:>12.4f} {:>10.4f} {:>12.4f} {:>10.4f} {:>12.4f}\n", place.name,
                    s.trace.trace, s.trace.standard_error, spectrum.values.front(),
                    spectrum.largest_residual, spectrum.values.back());
    progress.advance();
  }
  progress.finish();
  Json result = analysis_result(run, "sharpness", "Sharpness");
  result["learner"] = run.learner(a.learner);
  result["rows"] = rows.size();
  result["points"] = points;
  result["text"] = {fmt::format(
      "Hessian of the mean loss over {} training rows of {}, in the space of the adapter's values: "
      "trace by {} probes, largest eigenvalue by {} Lanczos steps.",
      rows.size(), a.tasks.empty() ? "all tasks" : fmt::format("{}", fmt::join(a.tasks, ", ")),
      a.options.probes, a.options.steps)};
  result["figures"] = {
      figure("trace", "trace of the Hessian", list, {{{"name", "trace"}, {"values", traces}}}),
      figure("largest", "largest eigenvalue", list,
             {{{"name", "largest eigenvalue"}, {"values", largest}}})};
  finish_analysis(run, a, result, csv, terminal);
}

}  // namespace

void add_analyze_sharpness(CLI::App& analyze) {
  CLI::App* command = analyze.add_subcommand(
      "sharpness", "trace and largest eigenvalue of the Hessian, at checkpoints or along a path");
  auto a = std::make_shared<SharpnessArguments>();
  a->add(*command, "sharpness");
  a->add_task(*command);
  command->add_option("--learner", a->learner, "whose checkpoints (default: the one that answers)");
  command->add_option("--pair", a->pair,
                      "A,B: along the line between two checkpoints, not at every checkpoint");
  command->add_option("--points", a->points, "points of that line")->capture_default_str();
  command
      ->add_option("--hessian-rows", a->total_rows,
                   "training rows of all tasks together that make the loss")
      ->check(above_zero())
      ->capture_default_str();
  command->add_option("--probes", a->options.probes, "random vectors for the trace")
      ->check(above_zero())
      ->capture_default_str();
  command->add_option("--steps", a->options.steps, "Lanczos steps for the largest eigenvalue")
      ->check(above_zero())
      ->capture_default_str();
  command
      ->add_option("--difference", a->options.relative,
                   "length of the gradients' differences, relative to the adapter's")
      ->check(above_zero())
      ->capture_default_str();
  command->callback([a] { analyze_sharpness(*a); });
}

}  // namespace ilora
