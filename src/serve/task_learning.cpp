#include "serve/task_learning.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/new_file.h"
#include "model/adapter_file.h"
#include "serve/general_probe.h"
#include "session/before.h"
#include "session/training.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

bool same_rows(const std::vector<Example>& a, const std::vector<Example>& b) {
  return std::ranges::equal(a, b, [](const Example& x, const Example& y) {
    return x.prompt == y.prompt && x.answer == y.answer;
  });
}

}  // namespace

TaskLearning::TaskLearning(const RunFolder& folder, const LoadedModel& model, RightOfWay& way,
                           LearningOptions options, std::function<bool()> interrupt)
    : folder_(folder),
      model_(model),
      way_(way),
      options_(std::move(options)),
      interrupt_(std::move(interrupt)) {
  configuration();  // a misspelt setting: an error now
  for (const std::string& probe : options_.probes)
    probes_.push_back(probe_of(make_task_eval(read_task(probe), Split::kTest, "auto"),
                               options_.budget.probe_rows));
}

std::unique_ptr<Configuration> TaskLearning::configuration() const {
  std::unique_ptr<Configuration> own;
  if (folder_.exists()) {
    own = configuration_of(folder_);
  } else {
    own = std::make_unique<Configuration>();
    own->set(options_.settings);
    own->recipe.data_folder = fs::absolute(folder_.given_tasks()).lexically_normal().string();
  }
  Recipe& recipe = own->recipe;
  recipe.output = folder_.path().string();
  recipe.model = model_.options.path;  // that is in memory, with what it computes by
  recipe.weights = model_.options.weights;
  recipe.mode = model_.options.mode;
  recipe.kernels = model_.options.kernels;
  return own;
}

std::vector<std::string> TaskLearning::known_tasks() const {
  std::vector<std::string> names;
  if (!folder_.exists()) return names;
  for (const fs::path& path : configuration_of(folder_)->recipe.task_folders())
    names.push_back(task_name(path));
  return names;
}

// The engine that learns, which lets answers pass between its blocks.
Workbench& TaskLearning::bench(const Recipe& recipe) {
  if (bench_) return *bench_;
  bench_ = std::make_unique<Workbench>(model_, recipe);
  bench_->engine.between_blocks([this] {
    if (interrupt_()) throw Error(ErrorKind::kInterrupted, "[serve] learning was stopped");
    way_.give_way();
  });
  return *bench_;
}

// "train.epochs=N" for a task: the run's own, as it was when it was first served, or as many as make
// the least number of steps.
std::string TaskLearning::epochs_for(const Recipe& recipe, const TaughtTask& task) const {
  const fs::path kept = serve("epochs");
  if (!fs::exists(kept)) write_file_atomic(kept, std::to_string(recipe.epochs));
  const int64_t own = std::stoll(read_file(kept));
  const int64_t batch = std::max(recipe.batch_size, int64_t{1});
  const int64_t steps = std::max((std::ssize(task.rows) + batch - 1) / batch, int64_t{1});
  return fmt::format("train.epochs={}", std::max(own, (options_.least_steps + steps - 1) / steps));
}

void TaskLearning::run(PreparedRun prepared, TrainingObserver& observer) {
  Configuration& c = *prepared.configuration;
  const std::vector<TaskText> tasks = read_tasks(c.recipe);
  Trainer trainer(c.recipe, c.options, c.method(), bench(c.recipe), tasks, &observer);
  const RightOfWay::Learning learning(way_);
  ilora::train(prepared, trainer);
}

// Once for a task; what somebody else began is finished first.
void TaskLearning::keep_before(const TaughtTask& task, TrainingObserver& observer) {
  if (kept_before() == task.name) return;
  if (folder_.exists() && !is_finished(folder_)) run(prepare_resume(folder_.path(), {}), observer);
  drop_before();
  write_file_atomic(serve("before-task"), task.name);
  Before(folder_, serve("before")).keep();
}

void TaskLearning::train(const TaughtTask& task, TrainingObserver& observer) {
  keep_before(task, observer);
  const std::vector<std::string> known = known_tasks();
  if (std::ranges::count(known, task.name) > 0) {
    const bool learned = folder_.last_task() == std::ssize(known) && is_finished(folder_);
    if (!learned) run(prepare_resume(folder_.path(), {}), observer);
  } else if (folder_.exists()) {
    // A server that was stopped as it began may have left the run unfinished.
    if (!is_finished(folder_)) run(prepare_resume(folder_.path(), {}), observer);
    const fs::path path = fs::absolute(folder_.given_tasks() / task.name).lexically_normal();
    run(prepare_continue(folder_.path(), {path.string()},
                         {epochs_for(configuration()->recipe, task)}),
        observer);
  } else {
    auto first = configuration();
    first->set({epochs_for(first->recipe, task)});
    first->recipe.tasks = {task.name};
    run(prepare_new(std::move(first)), observer);
  }
}

// What a new state is held to: the rows of the tasks before the last, the user's probes, general
// questions.
std::vector<BudgetProbe> TaskLearning::budget_probes(const Recipe& recipe,
                                                     const std::vector<TaskText>& texts,
                                                     Evaluator& evaluator) {
  std::vector<BudgetProbe> probes;
  const BudgetOptions& budget = options_.budget;
  for (size_t t = 0; t + 1 < texts.size(); ++t) {
    const TaskEval eval = make_task_eval(texts[t], recipe.evaluated_split(), recipe.measure_of(t));
    const bool sample = !same_rows(eval.rows, texts[t].train);
    probes.push_back(
        probe_with(evaluator, probe_of(eval, budget.probe_rows), budget.budget, sample));
  }
  for (const TaskEval& probe : probes_)
    probes.push_back(probe_with(evaluator, probe, budget.budget, true));
  if (!options_.general) return probes;
  if (!general_reference_) general_reference_ = score_general(evaluator, {});
  probes.push_back(
      {"general",
       [&evaluator](const Answerer& answerer) { return score_general(evaluator, answerer); },
       budget.general_budget, true, general_reference_});
  return probes;
}

TaskLearning::Weighed TaskLearning::weigh(const TaughtTask& task, const fs::path& deployed) {
  const auto own = configuration_of(folder_);
  const Recipe& recipe = own->recipe;
  const std::vector<TaskText> texts = read_tasks(recipe);
  ILORA_CHECK(!texts.empty() && texts.back().name == task.name);
  const std::string learner = own->method().deployed();
  const int64_t last = folder_.last_task();
  const Adapter after = load_adapter(folder_.saved_adapter(last, learner), model_.files);
  const fs::path old = deployed.empty() ? own_adapter() : deployed;
  const TaskEval eval = probe_of(
      make_task_eval(texts.back(), recipe.evaluated_split(), recipe.measure_of(texts.size() - 1)),
      options_.budget.probe_rows);
  Workbench& work = bench(recipe);
  Evaluator evaluator(work.engine, work.encoder, {recipe.max_new_tokens});
  Adapter before(model_.config(), after.options());  // zeros: as the base model
  if (!old.empty()) before = load_adapter(old, model_.files);
  Weighed weighed{{}, Adapter(model_.config(), after.options()), recipe.model};
  const RightOfWay::Learning learning(way_);
  weighed.verdict = judge(evaluator, work.engine, budget_probes(recipe, texts, evaluator), eval,
                          before, after, weighed.adapter, options_.budget);
  return weighed;
}

fs::path TaskLearning::own_adapter() const {
  if (!folder_.exists()) return {};
  const std::vector<std::string> known = known_tasks();
  const int64_t taught = std::ranges::count(known, kept_before());
  const std::string learner = configuration_of(folder_)->method().deployed();
  // Of a task whose saving was stopped there may be a part.
  for (int64_t n = std::min(folder_.last_task(), std::ssize(known) - taught); n > 0; --n) {
    fs::path adapter = folder_.adapter(n, learner);
    if (fs::exists(adapter / "adapter_config.json") &&
        fs::exists(adapter / "adapter_model.safetensors"))
      return adapter;
  }
  return {};
}

std::string TaskLearning::kept_before() const {
  if (!Before(folder_, serve("before")).there() || !fs::exists(serve("before-task"))) return {};
  return read_file(serve("before-task"));
}

void TaskLearning::drop_before() const {
  Before(folder_, serve("before")).drop();
}

void TaskLearning::put_back(const std::string& task) const {
  if (kept_before() == task) {
    const int64_t last = folder_.last_task();
    Before(folder_, serve("before")).put_back();
    const auto learned = std::ssize(known_tasks());
    for (int64_t number = learned + 1; number <= last; ++number)
      remove_folder(folder_.task(number));
  }
  const fs::path rows = folder_.given_tasks() / task, aside = serve("refused") / task;
  if (!fs::is_directory(rows)) return;
  make_folder(aside.parent_path());
  remove_folder(aside);
  fs::rename(rows, aside);
}

}  // namespace ilora
