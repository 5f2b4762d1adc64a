// ilora analyze path: losses and scores of every task along a path between two checkpoints.
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/progress.h"
#include "cli/analyze_path.h"
#include "cli/console.h"
#include "model/peft.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

// ---- which paths ---------------------------------------------------------------------------

// The tasks that a run's checkpoint has learned: its own alone where each task has a fresh adapter.
Names learned_by(const AnalyzedRun& run, int64_t task) {
  const Names& names = run.task_names();
  const auto end = std::min(static_cast<size_t>(task), names.size());
  const size_t begin = run.answers_by_task() && end > 0 ? end - 1 : 0;
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

bool contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Which tasks count as old and new: those that were named, else, of those that are `measured`, what
// the beginning has learned and what the end has beside. No task is both.
void group_tasks(PathPlan& plan, const PathArguments& a, const Names& measured) {
  for (const Names& named : {a.old_tasks, a.new_tasks}) {
    for (const std::string& task : named) {
      if (contains(measured, task)) continue;
      throw Error(ErrorKind::kUsage,
                  fmt::format("[analyze] no task is called {} (--old, --new)", task),
                  fmt::format("There are: {}.", fmt::join(measured, ", ")));
    }
  }
  const auto add = [&](Names& group, const Names& from, const Names& other) {
    for (const std::string& task : from) {
      if (contains(measured, task) && !contains(group, task) && !contains(other, task))
        group.push_back(task);
    }
  };
  add(plan.old_tasks, a.old_tasks.empty() ? plan.a.learned : a.old_tasks,
      a.old_tasks.empty() ? a.new_tasks : Names());
  add(plan.new_tasks, a.new_tasks.empty() ? plan.b.learned : a.new_tasks, plan.old_tasks);
  for (const std::string& task : a.new_tasks) {
    if (!contains(plan.old_tasks, task)) continue;
    throw Error(ErrorKind::kUsage,
                fmt::format("[analyze] {} counts as old and as new (--old, --new)", task));
  }
  if (plan.old_tasks.empty() && plan.new_tasks.empty()) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[analyze] neither {} nor {} has learned a task that is measured",
                            plan.a.name, plan.b.name),
                "Name tasks that they know (--task), or say which count (--old, --new).");
  }
}

std::vector<PathPlan> plan_paths(const PathArguments& a, const AnalyzedRun& run,
                                 const AnalyzedRun* other, const Names& measured) {
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
    group_tasks(plan, a, measured);
    return {plan};
  }
  const std::string learner = run.learner(a.learner);
  const AnalyzedRun& last = other != nullptr ? *other : run;
  const std::string to_learner =
      a.to_learner.empty() && other == nullptr ? learner : last.learner(a.to_learner);
  std::vector<std::pair<int64_t, int64_t>> pairs;
  const std::vector<int64_t> saved = run.saved_tasks();
  if (a.all_pairs) {
    for (size_t k = 1; k < saved.size(); ++k) pairs.emplace_back(saved[k - 1], saved[k]);
  } else if (!a.pair.empty()) {
    pairs.push_back(parse_pair(a.pair));
  } else if (other != nullptr) {
    pairs.emplace_back(run.last_task(), last.last_task());
  } else if (saved.size() > 1) {
    pairs.emplace_back(saved[saved.size() - 2], saved.back());
  }
  for (const auto& [from, to] : pairs) {
    PathPlan plan{checkpoint_end(run, from, learner, other != nullptr, learner != to_learner),
                  checkpoint_end(last, to, to_learner, other != nullptr, learner != to_learner),
                  {},
                  {}};
    group_tasks(plan, a, measured);
    plans.push_back(std::move(plan));
  }
  return plans;
}

// ---- one path ------------------------------------------------------------------------------

std::vector<size_t> indices(const Landscape& landscape, const Names& names) {
  std::vector<size_t> found;
  for (const std::string& name : names) {
    const auto& tasks = landscape.tasks();
    const auto at =
        std::find_if(tasks.begin(), tasks.end(), [&](const TaskEval& t) { return t.name == name; });
    ILORA_CHECK(at != tasks.end(), "no task {}", name);
    found.push_back(static_cast<size_t>(at - tasks.begin()));
  }
  return found;
}

class PathMaker {
 public:
  PathMaker(const PathArguments& a, AnalyzedRun& run, const PathPlan& plan)
      : a_(a), run_(run), first_(run.adapter(plan.a.adapter)), last_(run.adapter(plan.b.adapter)) {
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
    const std::vector<const Row*> pointers = row_pointers(rows);
    Adapter scratch(run_.config(), first_.options());
    bend_ = Buffer(DType::kF32, {first_.layout().size()});
    curve_point(bend_.view(), CurveKind::kLine, first_.values(), {}, last_.values(), 0.5);
    Engine& engine = run_.bench().engine;
    Progress progress(log(), fmt::format("{} curve", curve_name(curve)), a_.training.steps, "step");
    CurveTraining training = a_.training;
    training.loss = run_.recipe().loss();
    const LossAt loss = loss_on_rows(engine, scratch, pointers, training);
    auto losses = train_bend(engine.kernels(), curve, first_.values(), bend_.view(), last_.values(),
                             training, [&](Tensor gradient, Tensor values, int64_t step) {
                               progress.advance();
                               return loss(gradient, values, step);
                             });
    progress.finish();
    return losses;
  }

 private:
  const PathArguments& a_;
  AnalyzedRun& run_;
  Adapter first_, last_;
  Buffer bend_;
  PathSpace space_ = PathSpace::kFactors;
  CurveKind curve_ = CurveKind::kLine;
};

Path measure(Landscape& landscape, const PathMaker& make, const std::vector<double>& alphas,
             const std::string& title) {
  Progress progress(log(), title, static_cast<int64_t>(alphas.size()), "point");
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
    m.best.emplace(run.bench().model.config(), make.like().options());
    make(*m.best, m.path[best_point(m.chosen_on ? *m.chosen_on : m.path, m.all)].alpha);
  }
  return paths;
}

// ---- the command -------------------------------------------------------------------------------

void export_best(const PathArguments& a, AnalyzedRun& run, const MeasuredPath& m) {
  save_peft(a.export_best, *m.best, run.bench().model.config().name);
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
  if (!a.to_run.empty()) run.compare_base(other.emplace(a.to_run));
  Names measured;
  for (const TaskText& text :
       run.texts(other ? other->recipe().task_folders() : std::vector<fs::path>()))
    measured.push_back(text.name);
  const std::vector<PathPlan> plans = plan_paths(a, run, other ? &*other : nullptr, measured);
  if (plans.empty()) {
    throw Error(ErrorKind::kUsage, fmt::format("[analyze] {} has one checkpoint only", a.run),
                "A path needs two ends: --to-run RUN2, or --to-adapter DIR.");
  }
  if (!a.export_best.empty() && fs::exists(a.export_best))
    throw Error(ErrorKind::kUsage,
                fmt::format("[analyze] {} is there already (--export-best)", a.export_best),
                "Choose another folder, or remove that one.");
  if (!a.export_best.empty() && (plans.size() > 1 || a.space == "both")) {
    throw Error(ErrorKind::kUsage, "[analyze] --export-best writes the best point of one path",
                "Name one pair (--pair A,B) and one space.");
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
  const auto& tasks = landscape.tasks();
  Json result = path_result(a, paths, tasks);
  result["run"] = run.label();
  result["learner"] = run.learner(a.learner);
  finish_analysis(run, a, result, path_csv(paths, tasks), path_terminal(a, paths, tasks));
  if (!a.export_best.empty()) export_best(a, run, paths.front());
}

}  // namespace

void add_analyze_path(CLI::App& analyze) {
  CLI::App* command = analyze.add_subcommand(
      "path", "losses and scores of every task between two checkpoints, barriers, the best point");
  auto a = std::make_shared<PathArguments>();
  a->add(*command, "path");
  CLI::Option* pair = command->add_option(
      "--pair", a->pair, "A,B: from after task A to after task B (default: the last two)");
  CLI::Option* all =
      command->add_flag("--all-pairs", a->all_pairs, "every checkpoint to the next one");
  all->excludes(pair);
  CLI::Option* learner = command->add_option("--learner", a->learner,
                                             "fast, slow, ... (default: the one that answers)");
  command->add_option("--to-learner", a->to_learner, "learner of the end, where another one");
  command->add_option("--to-run", a->to_run, "the end lies in another run");
  CLI::Option* from =
      command->add_option("--from-adapter", a->from_adapter, "a PEFT folder as the beginning");
  for (CLI::Option* checkpoint : {pair, all, learner}) from->excludes(checkpoint);
  command->add_option("--to-adapter", a->to_adapter, "a PEFT folder as the end");
  command->add_option("--points", a->points, "points of the path; 0 and 1 are always among them")
      ->check(CLI::Range(2, 10000))
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
      ->check(above_zero())
      ->capture_default_str();
  command->add_option("--curve-rate", a->training.learning_rate, "its learning rate")
      ->check(above_zero())
      ->capture_default_str();
  command->add_option("--curve-batch", a->training.batch_size, "rows of each step")
      ->check(above_zero())
      ->capture_default_str();
  command->add_option("--old", a->old_tasks,
                      "tasks that count as old (default: what the beginning has learned)");
  command->add_option("--new", a->new_tasks,
                      "tasks that count as new (default: what the end has learned beside them)");
  a->add_measured(*command);
  command
      ->add_option("--choose", a->choose,
                   "the split on which the best point is chosen (default: --split, which flatters)")
      ->check(CLI::IsMember({"test", "eval"}));
  command->add_option("--export-best", a->export_best,
                      "write the best point for all tasks as a PEFT adapter");
  command->callback([a] { analyze_path(*a); });
}

}  // namespace ilora
