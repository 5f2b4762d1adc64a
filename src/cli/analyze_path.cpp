// ilora analyze path: losses and scores of every task along a path between two checkpoints.
#include <algorithm>
#include <cmath>

#include "analysis/path.h"
#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "cli/analyze.h"
#include "model/peft.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

struct PathArguments : AnalyzeOptions {
  std::string pair, learner, to_learner, to_run, from_adapter, to_adapter, export_best;
  std::string space = "factors", curve = "line", choose;
  Names old_tasks, new_tasks;
  bool all_pairs = false;
  int64_t points = 21;
  double from = -0.25, to = 1.25;
  CurveTraining training;
};

struct PathEnd {
  std::string name;
  fs::path adapter;
  Names learned;  // the tasks that it knows
};

// A path to measure: its ends and which tasks count as old and new.
struct PathPlan {
  PathEnd a, b;
  Names old_tasks, new_tasks;
};

// ---- which paths ---------------------------------------------------------------------------

// The tasks that a run's checkpoint has learned: its own alone where each task has a fresh adapter.
Names learned_by(const AnalyzedRun& run, int64_t task) {
  const Names& names = run.task_names();
  const auto end = std::min(static_cast<size_t>(task), names.size());
  const size_t begin = run.method() == "one" ? end - 1 : 0;
  return {names.begin() + static_cast<std::ptrdiff_t>(begin),
          names.begin() + static_cast<std::ptrdiff_t>(end)};
}

PathEnd checkpoint_end(const AnalyzedRun& run, int64_t task, const std::string& learner,
                       bool name_run, bool name_learner) {
  const fs::path folder = run.checkpoint(task, learner);
  std::string name = fmt::format("task {}", task);
  if (name_learner) name += fmt::format(" {}", learner);
  if (name_run) name += fmt::format(" of {}", run.folder().path().lexically_normal().string());
  return {name, folder, learned_by(run, task)};
}

void group_tasks(PathPlan& plan, const PathArguments& a) {
  plan.old_tasks = a.old_tasks.empty() ? plan.a.learned : a.old_tasks;
  plan.new_tasks = a.new_tasks;
  for (const std::string& task : a.new_tasks.empty() ? plan.b.learned : Names()) {
    if (std::find(plan.old_tasks.begin(), plan.old_tasks.end(), task) == plan.old_tasks.end())
      plan.new_tasks.push_back(task);
  }
  // Tasks that were named stay: where --task leaves one out, that is an error later on.
  const auto left_out = [&](const std::string& task) { return !a.measures(task); };
  if (a.old_tasks.empty()) std::erase_if(plan.old_tasks, left_out);
  if (a.new_tasks.empty()) std::erase_if(plan.new_tasks, left_out);
  if (plan.old_tasks.empty() && plan.new_tasks.empty()) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[analyze] neither {} nor {} has learned a task that is measured",
                            plan.a.name, plan.b.name),
                "Name tasks that they know (--task), or say which count (--old, --new).");
  }
}

std::vector<PathPlan> plan_paths(const PathArguments& a, const AnalyzedRun& run,
                                 const AnalyzedRun* other) {
  std::vector<PathPlan> plans;
  if (!a.from_adapter.empty() || !a.to_adapter.empty()) {
    if (a.from_adapter.empty() || a.to_adapter.empty()) {
      throw Error(ErrorKind::kUsage, "[analyze] a path by adapters needs both its ends",
                  "Give --from-adapter DIR and --to-adapter DIR.");
    }
    PathPlan plan{{a.from_adapter, a.from_adapter, run.task_names()},
                  {a.to_adapter, a.to_adapter, {}},
                  {},
                  {}};
    group_tasks(plan, a);
    return {plan};
  }
  const std::string learner = run.learner(a.learner);
  const AnalyzedRun& last = other != nullptr ? *other : run;
  const std::string to_learner =
      a.to_learner.empty() && other == nullptr ? learner : last.learner(a.to_learner);
  std::vector<std::pair<int64_t, int64_t>> pairs;
  if (a.all_pairs) {
    for (int64_t k = 1; k < run.last_task(); ++k) pairs.emplace_back(k, k + 1);
  } else if (!a.pair.empty()) {
    pairs.push_back(parse_pair(a.pair));
  } else if (other != nullptr) {
    pairs.emplace_back(run.last_task(), last.last_task());
  } else {
    pairs.emplace_back(run.last_task() - 1, run.last_task());
  }
  for (const auto& [from, to] : pairs) {
    PathPlan plan{checkpoint_end(run, from, learner, other != nullptr, learner != to_learner),
                  checkpoint_end(last, to, to_learner, other != nullptr, learner != to_learner),
                  {},
                  {}};
    group_tasks(plan, a);
    plans.push_back(std::move(plan));
  }
  return plans;
}

// ---- one path ------------------------------------------------------------------------------

struct MeasuredPath {
  PathPlan plan;
  PathSpace space = PathSpace::kFactors;
  CurveKind curve = CurveKind::kLine;
  Path path;                      // on the split asked for
  std::optional<Path> chosen_on;  // on the other split, where the best point is chosen there
  std::vector<double> bend_losses;
  std::vector<size_t> old_tasks, new_tasks, all;
  std::optional<Adapter> best;  // the best point for all tasks, where it is exported
};

std::vector<size_t> indices(const Landscape& landscape, const Names& names) {
  std::vector<size_t> found;
  for (const std::string& name : names) {
    const auto& tasks = landscape.tasks();
    const auto at =
        std::find_if(tasks.begin(), tasks.end(), [&](const TaskEval& t) { return t.name == name; });
    if (at == tasks.end()) {
      throw Error(ErrorKind::kUsage, fmt::format("[analyze] no task is called {}", name),
                  "Old and new tasks are tasks of the run (or of --to-run).");
    }
    found.push_back(static_cast<size_t>(at - tasks.begin()));
  }
  return found;
}

class PathMaker {
 public:
  PathMaker(const PathArguments& a, AnalyzedRun& run, const PathPlan& plan)
      : a_(a),
        run_(run),
        plan_(plan),
        first_(run.adapter(plan.a.adapter)),
        last_(run.adapter(plan.b.adapter)) {
    require_same_layout(first_, plan.a.name, last_, plan.b.name);
  }

  const Adapter& like() const { return first_; }
  double operator()(Adapter& out, double alpha) const {
    if (space_ == PathSpace::kProduct) return interpolate_products(out, first_, last_, alpha);
    curve_point(out.values(), curve_, first_.values(), bend_.view(), last_.values(), alpha);
    return 0;
  }
  void choose(PathSpace space) { space_ = space; }
  // Trains the curve's bend, on the training rows of all tasks that either end knows.
  std::vector<double> bend(CurveKind curve, const Names& tasks) {
    curve_ = curve;
    if (curve == CurveKind::kLine) return {};
    const std::vector<Row> rows = run_.training_rows(tasks);
    std::vector<const Row*> pointers;
    for (const Row& row : rows) pointers.push_back(&row);
    Adapter scratch(run_.bench().files.config(), first_.options());
    bend_ = Buffer(DType::kF32, {first_.layout().size()});
    curve_point(bend_.view(), CurveKind::kLine, first_.values(), {}, last_.values(), 0.5);
    Engine& engine = *run_.bench().engine;
    Progress progress(fmt::format("{} curve", curve_name(curve)), a_.training.steps, "step");
    const LossAt loss = loss_on_rows(engine, scratch, pointers, a_.training);
    auto losses = train_bend(engine.kernels(), curve, first_.values(), bend_.view(), last_.values(),
                             a_.training, [&](Tensor gradient, Tensor values, int64_t step) {
                               progress.advance();
                               return loss(gradient, values, step);
                             });
    progress.finish();
    return losses;
  }

 private:
  const PathArguments& a_;
  AnalyzedRun& run_;
  const PathPlan& plan_;
  Adapter first_, last_;
  Buffer bend_;
  PathSpace space_ = PathSpace::kFactors;
  CurveKind curve_ = CurveKind::kLine;
};

Path measure(Landscape& landscape, const PathMaker& make, const std::vector<double>& alphas,
             const std::string& title) {
  Progress progress(title, static_cast<int64_t>(alphas.size()), "point");
  int64_t before = 0;
  Path path = measure_path(landscape, make.like(), alphas, std::cref(make), [&](int64_t done) {
    progress.advance(done - before);
    before = done;
  });
  progress.finish();
  return path;
}

// The paths of one plan: one per space asked for.
std::vector<MeasuredPath> measure_plan(const PathArguments& a, AnalyzedRun& run,
                                       const PathPlan& plan, Landscape& landscape,
                                       Landscape* choosing) {
  PathMaker make(a, run, plan);
  const std::vector<double> alphas = path_alphas(a.points, a.from, a.to);
  Names all = plan.old_tasks;
  all.insert(all.end(), plan.new_tasks.begin(), plan.new_tasks.end());
  const CurveKind curve = parse_curve(a.curve);
  const std::vector<double> losses = make.bend(curve, all);
  std::vector<MeasuredPath> paths;
  for (const PathSpace space : {PathSpace::kFactors, PathSpace::kProduct}) {
    const bool product = space == PathSpace::kProduct;
    if (a.space != "both" && (a.space == "product") != product) continue;
    make.choose(space);
    MeasuredPath& m = paths.emplace_back();
    m.plan = plan;
    m.space = space;
    m.curve = curve;
    m.bend_losses = losses;
    m.old_tasks = indices(landscape, plan.old_tasks);
    m.new_tasks = indices(landscape, plan.new_tasks);
    m.all = indices(landscape, all);
    const std::string title = fmt::format("{} to {}", plan.a.name, plan.b.name);
    m.path = measure(landscape, make, alphas, title);
    if (choosing != nullptr)
      m.chosen_on = measure(*choosing, make, alphas, title + ", " + a.choose);
    if (a.export_best.empty()) continue;
    m.best.emplace(run.bench().files.config(), make.like().options());
    make(*m.best, m.path[best_point(m.chosen_on ? *m.chosen_on : m.path, m.all)].alpha);
  }
  return paths;
}

// ---- what is told of it ----------------------------------------------------------------------

const char* space_name(PathSpace space) {
  return space == PathSpace::kProduct ? "product" : "factors";
}

std::string path_title(const MeasuredPath& m) {
  std::string title = fmt::format("{} to {}", m.plan.a.name, m.plan.b.name);
  if (m.space == PathSpace::kProduct) title += ", product";
  if (m.curve != CurveKind::kLine) title += fmt::format(", {}", curve_name(m.curve));
  return title;
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
  const std::string against = gain > 0   ? fmt::format("{:.3f} above", gain)
                              : gain < 0 ? fmt::format("{:.3f} below", -gain)
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
  return {
      {"id", id},     {"kind", "lines"}, {"title", title},     {"x_label", "α (0: from, 1: to)"},
      {"y_label", y}, {"marks", {0, 1}}, {"log", y == "loss"}, {"views", std::move(views)}};
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

CsvTable csv_of(const std::vector<MeasuredPath>& paths, const std::vector<TaskEval>& tasks) {
  CsvTable csv{{"path", "space", "curve", "alpha", "task", "loss", "score"}, {}};
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

// ---- the command -------------------------------------------------------------------------------

void export_best(const PathArguments& a, AnalyzedRun& run, const MeasuredPath& m) {
  save_peft(a.export_best, *m.best, run.bench().files.config().name);
  log().info("the best point of {} is written to {}", path_title(m), a.export_best);
}

void analyze_path(const PathArguments& a) {
  if (a.space != "factors" && a.curve != "line") {
    throw Error(ErrorKind::kUsage,
                fmt::format("[analyze] a {} curve runs through factors", a.curve),
                "Leave --space at factors, or take --curve line.");
  }
  AnalyzedRun run(a);
  std::optional<AnalyzedRun> other;
  if (!a.to_run.empty()) other.emplace(a.to_run);
  run.texts(other ? other->recipe().task_folders() : std::vector<fs::path>());
  const std::vector<PathPlan> plans = plan_paths(a, run, other ? &*other : nullptr);
  if (plans.empty()) {
    throw Error(ErrorKind::kUsage, fmt::format("[analyze] {} has one checkpoint only", a.run),
                "A path needs two ends: --to-run RUN2, or --to-adapter DIR.");
  }
  Landscape landscape = run.landscape(parse_split(a.split));
  std::optional<Landscape> choosing;
  if (!a.choose.empty() && a.choose != a.split)
    choosing.emplace(run.landscape(parse_split(a.choose)));
  std::vector<MeasuredPath> paths;
  for (const PathPlan& plan : plans) {
    for (MeasuredPath& m : measure_plan(a, run, plan, landscape, choosing ? &*choosing : nullptr))
      paths.push_back(std::move(m));
  }
  if (!a.export_best.empty()) export_best(a, run, paths.front());

  const auto& tasks = landscape.tasks();
  Json result = {{"schema", 1},
                 {"analysis", "path"},
                 {"title", "Between checkpoints"},
                 {"run", run.label()},
                 {"learner", run.learner(a.learner)},
                 {"split", a.split},
                 {"text", Json::array()}};
  std::string terminal;
  Json list = Json::array();
  for (const MeasuredPath& m : paths) {
    result["text"].push_back(sentence(m));
    list.push_back(path_json(m, tasks, a));
    terminal += fmt::format("{}\n", terminal_table(m, tasks));
  }
  result["text"].push_back(choice_sentence(a));
  terminal += fmt::format("{}\n", choice_sentence(a));
  result["points"] = list.front()["points"];
  result["paths"] = list;
  if (a.space == "both") result["gap"] = gap_json(paths, tasks);
  result["figures"] = figures_json(paths, tasks);
  finish_analysis(run, a, result, csv_of(paths, tasks), terminal);
}

}  // namespace

void add_analyze_path(CLI::App& analyze) {
  CLI::App* command = analyze.add_subcommand(
      "path", "losses and scores of every task between two checkpoints, barriers, the best point");
  auto a = std::make_shared<PathArguments>();
  a->add(*command, "path");
  command->add_option("--pair", a->pair,
                      "A,B: from after task A to after task B (default: the last two)");
  command->add_flag("--all-pairs", a->all_pairs, "every checkpoint to the next one");
  command->add_option("--learner", a->learner, "fast, slow, ... (default: the one that answers)");
  command->add_option("--to-learner", a->to_learner, "learner of the end, where another one");
  command->add_option("--to-run", a->to_run, "the end lies in another run");
  command->add_option("--from-adapter", a->from_adapter, "a PEFT folder as the beginning");
  command->add_option("--to-adapter", a->to_adapter, "a PEFT folder as the end");
  command->add_option("--points", a->points, "points of the path; 0 and 1 are always among them")
      ->capture_default_str();
  command->add_option("--from", a->from, "first α")->capture_default_str();
  command->add_option("--to", a->to, "last α")->capture_default_str();
  command
      ->add_option("--space", a->space,
                   "factors: A and B; product: B A, cut to its rank by SVD; both, with their gap")
      ->check(CLI::IsMember({"factors", "product", "both"}))
      ->capture_default_str();
  command
      ->add_option("--curve", a->curve,
                   "line, or a curve with one bend trained to low loss on the training rows")
      ->check(CLI::IsMember({"line", "bezier", "polygon"}))
      ->capture_default_str();
  command->add_option("--curve-steps", a->training.steps, "steps of the bend's training")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--curve-rate", a->training.learning_rate, "its learning rate")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--curve-batch", a->training.batch_size, "rows of each step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--old", a->old_tasks,
                      "tasks that count as old (default: what the beginning has learned)");
  command->add_option("--new", a->new_tasks,
                      "tasks that count as new (default: what the end has learned beside them)");
  command->add_option("--split", a->split, "test or eval")->check(CLI::IsMember({"test", "eval"}));
  command
      ->add_option("--choose", a->choose,
                   "the split on which the best point is chosen (default: --split, which flatters)")
      ->check(CLI::IsMember({"test", "eval"}));
  command->add_option("--export-best", a->export_best,
                      "write the best point for all tasks as a PEFT adapter");
  command->callback([a] { analyze_path(*a); });
}

}  // namespace ilora
