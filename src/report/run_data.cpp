#include "report/run_data.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace ilora::report {
namespace {

constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

[[noreturn]] void wrong(const std::string& expected, const std::string& got,
                        const std::filesystem::path& file) {
  throw Error(
      ErrorKind::kFormat,
      fmt::format("[report] expected {}, got {} ({})", expected, got, file.string()),
      "The file was not written by `ilora train`, or was changed since; train the run again.");
}

Score number(const Json& object, const char* key) {
  const auto it = object.is_object() ? object.find(key) : object.end();
  if (it == object.end() || !it->is_number()) return std::nullopt;
  return it->get<double>();
}

// A short text of any plain value: names and numbers as they are, nothing for lists and objects.
std::string plain(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  return {};
}

std::string text(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() ? std::string() : plain(*it);
}

ScoreMatrix matrix(const Json& value, size_t tasks, const std::string& key,
                   const std::filesystem::path& file) {
  if (!value.is_array())
    wrong(fmt::format("\"{}\" to be a list of rows", key), value.type_name(), file);
  if (value.size() > tasks + 1)
    wrong(fmt::format("\"{}\" to have at most {} rows for {} tasks", key, tasks + 1, tasks),
          fmt::format("{} rows", value.size()), file);
  ScoreMatrix rows;
  for (const Json& row : value) {
    if (!row.is_array() || row.size() != tasks)
      wrong(fmt::format("row {} of \"{}\" to hold {} scores", rows.size(), key, tasks),
            row.is_array() ? fmt::format("{}", row.size()) : row.type_name(), file);
    rows.emplace_back();
    for (const Json& entry : row) {
      if (!entry.is_null() && !entry.is_number())
        wrong(fmt::format("row {} of \"{}\" to hold numbers or null", rows.size() - 1, key),
              entry.type_name(), file);
      rows.back().push_back(entry.is_number() ? Score(entry.get<double>()) : std::nullopt);
    }
  }
  return rows;
}

std::vector<std::string> task_names(const Json& results, const std::filesystem::path& file) {
  const auto it = results.find("tasks");
  if (it == results.end()) wrong("a key \"tasks\"", "none", file);
  if (!it->is_array() || it->empty())
    wrong("\"tasks\" to be a list of task names", it->dump(), file);
  std::vector<std::string> names;
  for (const Json& name : *it) {
    if (!name.is_string()) wrong("\"tasks\" to be a list of task names", name.dump(), file);
    names.push_back(name.get<std::string>());
  }
  return names;
}

void read_other_scores(RunData& run, const Json& results, const std::filesystem::path& file) {
  const auto by = results.find("scores_by");
  if (by == results.end() || !by->is_object()) return;
  for (const auto& [learner, measures] : by->items()) {
    if (!measures.is_object()) continue;
    for (const auto& [measure, rows] : measures.items())
      run.others.push_back(
          {learner, measure,
           matrix(rows, run.tasks.size(), "scores_by." + learner + "." + measure, file)});
  }
}

void read_probes(RunData& run, const Json& results) {
  const auto list = results.find("probes");
  if (list == results.end() || !list->is_array()) return;
  for (const Json& entry : *list) {
    const auto values = entry.is_object() ? entry.find("values") : entry.end();
    if (!entry.is_object() || values == entry.end() || !values->is_array()) continue;
    Probe probe{text(entry, "name"), text(entry, "measure"), {}};
    for (const Json& value : *values)
      probe.values.push_back(value.is_number() ? Score(value.get<double>()) : std::nullopt);
    run.probes.push_back(std::move(probe));
  }
}

}  // namespace

std::vector<std::string> learners_of(const RunData& run) {
  std::vector<std::string> names;
  for (const OtherScores& part : run.others) {
    if (std::ranges::find(names, part.learner) == names.end()) names.push_back(part.learner);
  }
  return names;
}

ScoreMatrix scores_of(const RunData& run, const std::string& learner) {
  if (learner == run.deployed) return run.scores;
  ScoreMatrix all;
  for (const OtherScores& part : run.others) {
    if (part.learner != learner) continue;
    all.resize(std::max(all.size(), part.scores.size()));
    for (size_t k = 0; k < part.scores.size(); ++k) {
      all[k].resize(part.scores[k].size());
      for (size_t j = 0; j < part.scores[k].size(); ++j)
        if (part.scores[k][j]) all[k][j] = part.scores[k][j];
    }
  }
  return all;
}

RunData read_results(const std::filesystem::path& folder) {
  RunData run;
  run.folder = folder;
  const std::filesystem::path file = run.folder / "results.json";
  if (!std::filesystem::exists(file))
    throw Error(ErrorKind::kFile,
                fmt::format("[report] expected a run folder, got no {}", file.string()),
                "Give the folder that `ilora train` wrote; results.json appears after its first "
                "evaluation.");
  const Json results = read_json(file);
  if (!results.is_object()) wrong("an object", results.type_name(), file);
  if (number(results, "schema").value_or(1) != 1) wrong("schema 1", text(results, "schema"), file);
  run.tasks = task_names(results, file);
  if (!results.contains("scores")) wrong("a key \"scores\"", "none", file);
  run.scores = matrix(results["scores"], run.tasks.size(), "scores", file);
  read_other_scores(run, results, file);
  run.method = text(results, "method");
  if (run.method.empty()) run.method = "(no method)";
  run.seed = text(results, "seed");
  run.model = text(results, "model");
  run.status = text(results, "status");
  run.deployed = text(results, "deployed");
  run.note = text(results, "note");
  if (const auto it = results.find("measures"); it != results.end() && it->is_array())
    for (const Json& measure : *it) run.measures.push_back(plain(measure));
  read_probes(run, results);
  if (const auto it = results.find("metrics"); it != results.end())
    run.metrics = {number(*it, "average_accuracy"),  number(*it, "average_incremental_accuracy"),
                   number(*it, "backward_transfer"), number(*it, "forward_transfer"),
                   number(*it, "forgetting"),        number(*it, "intransigence")};
  if (const auto it = results.find("timing"); it != results.end())
    run.timing = {number(*it, "train_seconds"), number(*it, "train_tokens"),
                  number(*it, "tokens_per_second")};
  if (const auto it = results.find("environment"); it != results.end() && it->is_object())
    for (const auto& [name, value] : it->items())
      if (const std::string shown = plain(value); !shown.empty())
        run.environment.emplace_back(name, shown);
  run.label = run.method;
  return run;
}

namespace {

// One "step" event: where it stands, and its values by (group, name).
struct Step {
  int64_t task = 0;
  double step = 0;
  std::map<std::pair<std::string, std::string>, double> values;
};

void collect(Step& step, const Json& event, const char* key, const char* group) {
  const auto it = event.find(key);
  if (it == event.end() || !it->is_object()) return;
  for (const auto& [name, value] : it->items())
    if (value.is_number()) step.values[{group, name}] = value.get<double>();
}

Step read_step(const Json& event, double previous) {
  Step step;
  step.task = static_cast<int64_t>(number(event, "task_index").value_or(0));
  step.step = number(event, "step").value_or(previous + 1);
  if (const Score loss = number(event, "loss")) step.values[{"loss", "loss"}] = *loss;
  collect(step, event, "terms", "loss");
  collect(step, event, "gradient_norms", "gradient_norms");
  if (const Score distance = number(event, "distance"))
    step.values[{"distance", "distance"}] = *distance;
  return step;
}

// Every step of the run in order. A resumed run repeats the steps since its checkpoint: the later
// ones count.
std::vector<Step> read_steps(const std::filesystem::path& file) {
  const std::string content = read_file(file);
  std::vector<Step> steps;
  size_t line_number = 0;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    const std::string_view line(content.data() + begin, end - begin);
    begin = end + 1;
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const bool last = content.find_first_not_of(" \t\r\n", end) == std::string::npos;
    if (last && !Json::accept(line)) break;  // cut off while it was written
    const Json event = parse_json(line, fmt::format("{}, line {}", file.string(), line_number));
    if (!event.is_object() || text(event, "event") != "step") continue;
    Step step = read_step(event, steps.empty() ? 0 : steps.back().step);
    while (!steps.empty() &&
           std::pair(steps.back().task, steps.back().step) >= std::pair(step.task, step.step))
      steps.pop_back();
    steps.push_back(std::move(step));
  }
  return steps;
}

Curves read_curves(const std::filesystem::path& file) {
  Curves curves;
  if (!std::filesystem::exists(file)) return curves;
  const std::vector<Step> steps = read_steps(file);
  // Steps may be counted per task; a report counts them over the run.
  const bool rising =
      std::adjacent_find(steps.begin(), steps.end(), [](const Step& a, const Step& b) {
        return a.step >= b.step;
      }) == steps.end();
  std::map<std::pair<std::string, std::string>, size_t> index;
  for (size_t i = 0; i < steps.size(); ++i) {
    curves.step.push_back(rising ? steps[i].step : static_cast<double>(i + 1));
    curves.task_index.push_back(steps[i].task);
    for (const auto& [key, value] : steps[i].values) {
      const auto [it, added] = index.try_emplace(key, curves.series.size());
      if (added)
        curves.series.push_back(
            {key.first, key.second, std::vector<double>(steps.size(), kAbsent)});
      curves.series[it->second].values[i] = value;
    }
  }
  // The total first, then the terms by name: the same order, hence the same colours, in every run.
  std::sort(curves.series.begin(), curves.series.end(), [](const Series& a, const Series& b) {
    const auto rank = [](const Series& s) { return s.name != "loss" && s.name != "total"; };
    return std::tuple(a.group, rank(a), a.name) < std::tuple(b.group, rank(b), b.name);
  });
  return curves;
}

double mean_present(const std::vector<double>& values, size_t begin, size_t end) {
  double sum = 0;
  int64_t count = 0;
  for (size_t i = begin; i < end; ++i) {
    if (!std::isfinite(values[i])) continue;
    sum += values[i];
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : kAbsent;
}

}  // namespace

void Curves::thin(size_t points) {
  if (points == 0 || step.size() <= points) return;
  const size_t width = (step.size() + points - 1) / points;
  Curves thinned;
  thinned.steps_per_point = steps_per_point * static_cast<int64_t>(width);
  for (const Series& s : series) thinned.series.push_back({s.group, s.name, {}});
  for (size_t begin = 0; begin < step.size();) {
    size_t end = begin + 1;
    while (end < step.size() && end - begin < width && task_index[end] == task_index[begin]) ++end;
    thinned.step.push_back(step[end - 1]);
    thinned.task_index.push_back(task_index[begin]);
    for (size_t i = 0; i < series.size(); ++i)
      thinned.series[i].values.push_back(mean_present(series[i].values, begin, end));
    begin = end;
  }
  *this = std::move(thinned);
}

RunData read_run(const std::filesystem::path& folder) {
  RunData run = read_results(folder);
  run.curves = read_curves(folder / "metrics.jsonl");
  return run;
}

std::vector<RunData> read_runs(const std::vector<std::filesystem::path>& folders) {
  if (folders.empty())
    throw Error(ErrorKind::kUsage, "[report] expected at least one run folder, got none",
                "Name the folders that `ilora train` wrote.");
  std::vector<RunData> runs;
  runs.reserve(folders.size());
  for (const auto& folder : folders) runs.push_back(read_run(folder));
  // Lengthen the labels of runs that share one, first by the seed, then by the folder.
  const auto lengthen_shared = [&runs](auto&& longer) {
    std::map<std::string, int> count;
    for (const RunData& run : runs) ++count[run.label];
    for (RunData& run : runs)
      if (count[run.label] > 1) run.label = longer(run);
  };
  lengthen_shared([](const RunData& run) {
    return run.seed.empty() ? run.label : fmt::format("{}, seed {}", run.label, run.seed);
  });
  lengthen_shared([](const RunData& run) {
    return fmt::format("{} ({})", run.label, run.folder.lexically_normal().string());
  });
  return runs;
}

}  // namespace ilora::report
