// What `ilora analyze path` tells of the paths that it measured: JSON, CSV, figures, sentences.
#include <algorithm>
#include <cmath>
#include <functional>

#include "cli/analyze_path.h"
#include "report/figures.h"

namespace ilora {
namespace {

const char* space_name(PathSpace space) {
  return space == PathSpace::kProduct ? "product" : "factors";
}

// The groups that a path is judged by.
std::vector<std::pair<std::string, std::vector<size_t>>> groups(const MeasuredPath& m) {
  std::vector<std::pair<std::string, std::vector<size_t>>> list;
  if (!m.old_tasks.empty() && !m.new_tasks.empty()) {
    list.emplace_back("old", m.old_tasks);
    list.emplace_back("new", m.new_tasks);
  }
  list.emplace_back("all", m.all);
  return list;
}

const PathPoint& at(const Path& path, double alpha) {
  return *std::find_if(path.begin(), path.end(),
                       [&](const PathPoint& p) { return p.alpha == alpha; });
}

Json best_json(const MeasuredPath& m, const std::vector<size_t>& tasks) {
  const Path& judge = m.chosen_on ? *m.chosen_on : m.path;
  const size_t best = best_point(judge, tasks);
  const PathPoint& point = m.path[best];
  const Gain gain = gain_over_ends(m.path, tasks, best, 1);
  return {{"alpha", point.alpha},
          {"score", mean_score(point, tasks)},
          {"loss", mean_loss(point, tasks)},
          {"ends", {mean_score(at(m.path, 0), tasks), mean_score(at(m.path, 1), tasks)}},
          {"gain", gain.difference},
          {"interval", {gain.low, gain.high}}};
}

Json path_json(const MeasuredPath& m, const std::vector<TaskEval>& tasks, const PathArguments& a) {
  Json json = {{"from", m.plan.a.name},
               {"to", m.plan.b.name},
               {"space", space_name(m.space)},
               {"curve", curve_name(m.curve)},
               {"old", m.plan.old_tasks},
               {"new", m.plan.new_tasks},
               {"chosen_on", m.chosen_on ? a.choose : a.split}};
  for (const auto& [name, group] : groups(m)) json["best"][name] = best_json(m, group);
  for (size_t t = 0; t < tasks.size(); ++t)
    json["barriers"][tasks[t].name] = barrier_height(m.path, {t});
  json["barrier"] = barrier_height(m.path, m.all);
  for (const PathPoint& point : m.path) {
    Json values;
    for (size_t t = 0; t < tasks.size(); ++t)
      values[tasks[t].name] = {{"loss", point.tasks[t].loss}, {"score", point.tasks[t].score}};
    Json entry = {{"alpha", point.alpha}, {"tasks", values}};
    if (m.space == PathSpace::kProduct) entry["dropped"] = point.dropped;
    json["points"].push_back(entry);
  }
  if (!m.bend_losses.empty()) json["training_losses"] = m.bend_losses;
  return json;
}

// How far the product's path is from the factors', where both were measured.
Json gap_json(const std::vector<MeasuredPath>& paths, const std::vector<TaskEval>& tasks) {
  Json gaps = Json::array();
  for (size_t i = 0; i + 1 < paths.size(); ++i) {
    const MeasuredPath &f = paths[i], &p = paths[i + 1];
    if (f.space != PathSpace::kFactors || p.space != PathSpace::kProduct) continue;
    Json gap = {{"from", f.plan.a.name}, {"to", f.plan.b.name}};
    for (size_t t = 0; t < tasks.size(); ++t) {
      double loss = 0, score = 0;
      for (size_t k = 0; k < f.path.size(); ++k) {
        if (f.path[k].alpha < 0 || f.path[k].alpha > 1) continue;
        loss = std::max(loss, std::abs(f.path[k].tasks[t].loss - p.path[k].tasks[t].loss));
        score = std::max(score, std::abs(f.path[k].tasks[t].score - p.path[k].tasks[t].score));
      }
      gap["tasks"][tasks[t].name] = {{"loss", loss}, {"score", score}};
    }
    gaps.push_back(gap);
  }
  return gaps;
}

std::string sentence(const MeasuredPath& m) {
  const Json best = best_json(m, m.all);
  const double gain = best["gain"], score = best["score"];
  constexpr double kSame = 5e-4;  // as it is shown
  const std::string against = gain >= kSame    ? fmt::format("{:.3f} above", gain)
                              : gain <= -kSame ? fmt::format("{:.3f} below", -gain)
                                               : "the same as";
  return fmt::format(
      "{}: the best mean of {} is {:.3f} at α = {:.2f}, {} the better end ({:.3f}; 95 % interval "
      "of "
      "the difference {:+.3f} to {:+.3f}); loss barrier {:.3f}.",
      path_title(m), m.new_tasks.empty() ? "all tasks" : "old and new tasks", score,
      best["alpha"].get<double>(), against, score - gain, best["interval"][0].get<double>(),
      best["interval"][1].get<double>(), barrier_height(m.path, m.all));
}

// How far the best points may be trusted.
std::string choice_sentence(const PathArguments& a) {
  if (!a.choose.empty() && a.choose != a.split)
    return fmt::format("Best points are chosen on the {} split and measured on the {} split.",
                       a.choose, a.split);
  return "Best points are chosen on the rows that they are measured on, which flatters them "
         "(--choose eval does not).";
}

// ---- pictures and tables -----------------------------------------------------------------------

Json series_json(const std::string& name, const Path& path,
                 const std::function<double(const PathPoint&)>& value) {
  Json values = Json::array();
  for (const PathPoint& point : path) values.push_back(value(point));
  return {{"name", name}, {"values", values}};
}

Json view_json(const MeasuredPath& m, Json series) {
  Json x = Json::array();
  for (const PathPoint& point : m.path) x.push_back(point.alpha);
  return {{"name", path_title(m)}, {"x", x}, {"series", std::move(series)}};
}

Json line_figure(const std::string& id, const std::string& title, const std::string& y,
                 Json views) {
  return lines_figure({id, title, "α (0: from, 1: to)", y}, std::move(views),
                      {{"marks", {0, 1}}, {"log", y == "loss"}});
}

Json figures_json(const std::vector<MeasuredPath>& paths, const std::vector<TaskEval>& tasks) {
  Json balance = Json::array(), scores = Json::array(), losses = Json::array();
  for (const MeasuredPath& m : paths) {
    Json by_group = Json::array(), by_task = Json::array(), loss = Json::array();
    for (const auto& group : groups(m))
      by_group.push_back(series_json(
          group.first, m.path, [&](const PathPoint& p) { return mean_score(p, group.second); }));
    for (size_t t = 0; t < tasks.size(); ++t) {
      by_task.push_back(
          series_json(tasks[t].name, m.path, [t](const PathPoint& p) { return p.tasks[t].score; }));
      loss.push_back(
          series_json(tasks[t].name, m.path, [t](const PathPoint& p) { return p.tasks[t].loss; }));
    }
    balance.push_back(view_json(m, by_group));
    scores.push_back(view_json(m, by_task));
    losses.push_back(view_json(m, loss));
  }
  return {line_figure("balance", "Old, new and all tasks", "score", balance),
          line_figure("score", "Score of each task", "score", scores),
          line_figure("loss", "Loss of each task", "loss", losses)};
}

std::string terminal_table(const MeasuredPath& m, const std::vector<TaskEval>& tasks) {
  std::string out = fmt::format("{}\n", sentence(m));
  out += fmt::format("{:<20} {:>8} {:>8} {:>8} {:>8} {:>8}\n", "", "score 0", "score 1", "loss 0",
                     "loss 1", "barrier");
  const PathPoint &first = at(m.path, 0), &last = at(m.path, 1);
  for (size_t t = 0; t < tasks.size(); ++t) {
    out += fmt::format("{:<20} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f}\n", tasks[t].name,
                       first.tasks[t].score, last.tasks[t].score, first.tasks[t].loss,
                       last.tasks[t].loss, barrier_height(m.path, {t}));
  }
  return out;
}

}  // namespace

std::string path_title(const MeasuredPath& m) {
  std::string title = fmt::format("{} to {}", m.plan.a.name, m.plan.b.name);
  if (m.space == PathSpace::kProduct) title += ", product";
  if (m.curve != CurveKind::kLine) title += fmt::format(", {}", curve_name(m.curve));
  return title;
}

Json path_result(const PathArguments& a, const std::vector<MeasuredPath>& paths,
                 const std::vector<TaskEval>& tasks) {
  Json result = {{"schema", Analysis::kSchema},
                 {"analysis", "path"},
                 {"title", "Between checkpoints"},
                 {"split", a.split},
                 {"text", Json::array()}};
  for (const MeasuredPath& m : paths) {
    result["text"].push_back(sentence(m));
    result["paths"].push_back(path_json(m, tasks, a));
  }
  result["text"].push_back(choice_sentence(a));
  result["points"] = result["paths"].front()["points"];
  if (a.space == "both") result["gap"] = gap_json(paths, tasks);
  result["figures"] = figures_json(paths, tasks);
  return result;
}

NumberTable path_csv(const std::vector<MeasuredPath>& paths, const std::vector<TaskEval>& tasks) {
  NumberTable csv{{"path", "space", "curve", "alpha", "task", "loss", "score"}, {}};
  for (const MeasuredPath& m : paths) {
    for (const PathPoint& point : m.path) {
      for (size_t t = 0; t < tasks.size(); ++t)
        csv.rows.push_back({fmt::format("{} to {}", m.plan.a.name, m.plan.b.name),
                            space_name(m.space), curve_name(m.curve), csv_number(point.alpha),
                            tasks[t].name, csv_number(point.tasks[t].loss),
                            csv_number(point.tasks[t].score)});
    }
  }
  return csv;
}

std::string path_terminal(const PathArguments& a, const std::vector<MeasuredPath>& paths,
                          const std::vector<TaskEval>& tasks) {
  std::string out;
  for (const MeasuredPath& m : paths) out += fmt::format("{}\n", terminal_table(m, tasks));
  return out + fmt::format("{}\n", choice_sentence(a));
}

}  // namespace ilora
