#include "serve/school.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/new_file.h"
#include "base/parallel.h"
#include "model/adapter_file.h"
#include "model/prompt_pool.h"
#include "serve/request_error.h"
#include "session/before.h"
#include "session/training.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

fs::path serve_folder(const RunFolder& folder) {
  fs::path path = folder.path() / "serve";
  make_folder(path);
  return path;
}

Before before_of(const RunFolder& folder) {
  return {folder, folder.path() / "serve" / "before"};
}

fs::path before_task(const RunFolder& folder) {
  return folder.path() / "serve" / "before-task";
}

}  // namespace

// Watches a task's training: where it is, and whether it may go on.
class School::Watch : public TrainingObserver {
 public:
  Watch(School& school, std::string task) : school_(school), task_(std::move(task)) {}

  void task_begun(const TaskBegun& task) override {
    first_ = task.step;
    set([&](Progress& p) {
      p.step = task.step;
      p.steps = task.last_step;
    });
  }
  void step_done(const StepDone& step) override {
    ++first_;
    set([&](Progress& p) {
      p.step = first_;
      p.loss = step.loss;
    });
  }
  void scoring(const std::vector<std::string>&, const std::string&) override {
    set([](Progress& p) { p.phase = "scoring"; });
  }
  void message(const std::string& text) override { school_.news_.message(text); }
  void warning(const std::string& text) override { school_.news_.warning(text); }
  bool stop_requested() override {
    const std::lock_guard lock(school_.mutex_);
    return school_.stopping_ || school_.paused_ || school_.cancelled_ == task_;
  }

 private:
  template <class Change>
  void set(const Change& change) {
    const std::lock_guard lock(school_.mutex_);
    if (school_.progress_) change(*school_.progress_);
  }

  School& school_;
  const std::string task_;
  int64_t first_ = 0;
};

School::School(const RunFolder& folder, const LoadedModel& model, RightOfWay& way,
               SchoolOptions options, SchoolNews news)
    : folder_(folder),
      model_(model),
      way_(way),
      options_(std::move(options)),
      news_(std::move(news)),
      lock_(serve_folder(folder_)),
      taught_(folder_, options_.limits),
      journal_(folder_) {
  for (const std::string& warning : taught_.warnings()) news_.warning(warning);
  for (const std::string& warning : journal_.warnings()) news_.warning(warning);
  configuration();  // a misspelt setting: an error now
  for (const std::string& probe : options_.probes)
    probes_.push_back(probe_of(make_task_eval(read_task(probe), Split::kTest, "auto"),
                               options_.budget.probe_rows));
}

School::~School() {
  stop();
}

void School::start() {
  if (const fs::path adapter = journal_.deployed(); !adapter.empty())
    news_.deployed(fmt::format("deployment-{}", adapter.filename().string()), adapter);
  thread_ = std::thread([this] { run(); });
}

void School::stop(double patience) {
  if (!thread_.joinable()) return;
  std::unique_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  const bool ended =
      changed_.wait_for(lock, std::chrono::duration<double>(patience), [&] { return !progress_; });
  at_once_ = !ended;
  lock.unlock();
  thread_.join();
}

std::unique_ptr<Configuration> School::configuration() const {
  std::unique_ptr<Configuration> own;
  if (folder_.exists()) {
    own = configuration_of(folder_);
  } else {
    own = std::make_unique<Configuration>();
    own->set(options_.settings);
    own->recipe.data_folder = fs::absolute(folder_.given_tasks()).lexically_normal().string();
  }
  own->recipe.output = folder_.path().string();
  Recipe& recipe = own->recipe;
  recipe.model = model_.options.path;  // that is in memory, with what it computes by
  recipe.weights = model_.options.weights;
  recipe.mode = model_.options.mode;
  recipe.kernels = model_.options.kernels;
  return own;
}

// The engine that learns, which lets answers pass between its blocks.
Workbench& School::bench(const Recipe& recipe) {
  if (bench_) return *bench_;
  bench_ = std::make_unique<Workbench>(model_, recipe);
  bench_->engine.between_blocks([this] {
    if (at_once_) throw Error(ErrorKind::kInterrupted, "[serve] learning was stopped");
    way_.give_way();
  });
  return *bench_;
}

void School::tell(const std::string& line) const {
  news_.message(line);
}

// ---- what is asked of it --------------------------------------------------------------------------

std::vector<int64_t> School::teach(const std::vector<Example>& rows, const std::string& task,
                                   const std::string& source, const std::string& key, bool now) {
  const std::lock_guard lock(mutex_);
  std::vector<int64_t> numbers = taught_.add(rows, task, source, key);
  if (now) taught_.close(task, used_names());
  problem_.clear();  // it may go on by now
  changed_.notify_all();
  return numbers;
}

std::string School::learn(const std::string& task) {
  const std::lock_guard lock(mutex_);
  std::string name = taught_.close(task, used_names());
  problem_.clear();
  changed_.notify_all();
  return name;
}

std::string School::learn(const std::string& task, const std::vector<Example>& train,
                          const std::vector<Example>& test) {
  const std::lock_guard lock(mutex_);
  std::string name = taught_.add_task(task, train, test, used_names());
  problem_.clear();
  changed_.notify_all();
  return name;
}

bool School::cancel(const std::string& task) {
  const std::lock_guard lock(mutex_);
  if (progress_ && progress_->task == task) {
    if (progress_->phase == "weighing") return false;
    cancelled_ = task;
    return true;
  }
  const bool known = std::ranges::count(taught_.tasks(), task, &TaughtTask::name) > 0;
  if (!known || journal_.of_task(task) != nullptr) return false;
  JournalEntry entry;
  entry.kind = JournalEntry::kCancelled;
  entry.task = task;
  journal_.add(std::move(entry));
  return true;
}

void School::pause() {
  const std::lock_guard lock(mutex_);
  paused_ = true;
}

void School::resume() {
  const std::lock_guard lock(mutex_);
  paused_ = false;
  changed_.notify_all();
}

Json School::status() const {
  const std::lock_guard lock(mutex_);
  Json waiting = Json::object(), queue = Json::array(), learning = nullptr;
  for (const auto& [task, count] : taught_.waiting()) waiting[task] = count;
  for (const TaughtTask& task : taught_.tasks()) {
    const bool now = progress_ && progress_->task == task.name;
    if (!now && journal_.of_task(task.name) == nullptr) queue.push_back(task.name);
  }
  if (progress_)
    learning = {{"task", progress_->task},
                {"phase", progress_->phase},
                {"step", progress_->step},
                {"steps", progress_->steps},
                {"loss", progress_->loss}};
  int64_t deployed = 0;
  for (const JournalEntry& entry : journal_.entries())
    if (!entry.adapter.empty()) deployed = entry.number;
  return {{"rows_waiting", taught_.count_waiting()},
          {"waiting", std::move(waiting)},
          {"queue", std::move(queue)},
          {"learning", std::move(learning)},
          {"paused", paused_},
          {"deployed", deployed},
          {"problem", problem_.empty() ? Json(nullptr) : Json(problem_)}};
}

std::vector<JournalEntry> School::journal() const {
  const std::lock_guard lock(mutex_);
  return journal_.entries();
}

JournalEntry School::roll_back(int64_t number) {
  const std::lock_guard lock(mutex_);
  const JournalEntry entry = journal_.roll_back(number);
  news_.deployed(fmt::format("deployment-{:04}", number), folder_.path() / entry.adapter);
  return entry;
}

std::vector<TaughtTask> School::tasks() const {
  const std::lock_guard lock(mutex_);
  return taught_.tasks();
}

bool School::learns(const std::string& task) const {
  const std::lock_guard lock(mutex_);
  return progress_ && progress_->task == task;
}

KeptRows School::kept() const {
  if (!folder_.has_state()) return {};
  return read_kept_rows(folder_);
}

int64_t School::forget(const std::function<bool(const KeptRow&)>& leaves) const {
  if (!folder_.has_state()) return 0;
  return std::ssize(forget_rows(folder_, leaves));
}

// ---- the thread -----------------------------------------------------------------------------------

void School::run() {
  const ScopedThreads threads(configuration()->recipe.threads);
  while (wait_for_work()) {
    const auto task = [&] {
      const std::lock_guard lock(mutex_);
      return next_task();
    }();
    try {
      if (task) work(*task);
    } catch (const std::exception& e) {
      const std::lock_guard lock(mutex_);
      const auto* error = dynamic_cast<const Error*>(&e);
      if (error == nullptr || error->kind() != ErrorKind::kInterrupted) {
        problem_ = e.what();
        news_.warning(fmt::format("learning stopped: {}", problem_));
      }
    }
    const std::lock_guard lock(mutex_);
    progress_.reset();
    changed_.notify_all();
  }
}

// False where it is to end.
bool School::wait_for_work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (stopping_) return false;
    if (!paused_ && problem_.empty()) {
      close_what_waited();
      if (next_task()) return true;
    }
    changed_.wait_for(lock, 200ms);
  }
}

// Rows that are enough, or have waited long enough, become a task.
void School::close_what_waited() {
  const auto idle = std::chrono::steady_clock::now() - taught_.last_added();
  const bool waited = options_.learn_idle > 0 && idle > std::chrono::seconds(options_.learn_idle);
  for (const auto& [task, count] : taught_.waiting()) {
    const bool enough = options_.learn_after > 0 && count >= options_.learn_after;
    if (enough || waited) taught_.close(task, used_names());
  }
}

std::optional<TaughtTask> School::next_task() const {
  for (const TaughtTask& task : taught_.tasks())
    if (journal_.of_task(task.name) == nullptr) return task;
  return {};
}

// Names of tasks that the run has already, of which taught ones are a part.
std::set<std::string> School::used_names() const {
  std::set<std::string> names;
  if (!folder_.exists()) return names;
  for (const fs::path& path : configuration_of(folder_)->recipe.task_folders())
    names.insert(task_name(path));
  return names;
}

void School::work(const TaughtTask& task) {
  settle_left_over();
  {
    const std::lock_guard lock(mutex_);
    progress_ = {task.name, "training", 0, 0, 0};
  }
  try {
    begin(task);
    train(task);
    weigh(task);
  } catch (const Error& e) {
    JournalEntry entry;
    entry.task = task.name;
    entry.rows = std::ssize(task.rows);
    bool cancelled = false;
    {
      const std::lock_guard lock(mutex_);
      cancelled = std::exchange(cancelled_, "") == task.name;
    }
    const bool repeats = e.kind() == ErrorKind::kData || e.kind() == ErrorKind::kNumeric ||
                         e.kind() == ErrorKind::kUsage || e.kind() == ErrorKind::kUnsupported;
    if (!cancelled && !repeats) throw;  // stopped, or a disk that may have room another time
    entry.kind = cancelled ? JournalEntry::kCancelled : JournalEntry::kFailed;
    if (!cancelled) entry.reason = e.what();
    refuse(task, std::move(entry));
  }
}

// What a server that was stopped left of a task whose end the journal knows already.
void School::settle_left_over() {
  const Before before = before_of(folder_);
  if (!before.there() || !fs::exists(before_task(folder_))) return;
  const std::string name = read_file(before_task(folder_));
  std::string kind;
  {
    const std::lock_guard lock(mutex_);
    const JournalEntry* entry = journal_.of_task(name);
    if (entry == nullptr) return;
    kind = entry->kind;
  }
  if (kind == JournalEntry::kDeployed) return before.drop();
  refuse({name, {}, {}}, {});
}

// Keeps what the run is before it learns the task, once.
void School::begin(const TaughtTask& task) {
  taught_.write(task);
  const Before before = before_of(folder_);
  if (before.there() && fs::exists(before_task(folder_)) &&
      read_file(before_task(folder_)) == task.name)
    return;
  if (folder_.exists() && !is_finished(folder_)) {  // what somebody else began
    Watch watch(*this, task.name);
    const PreparedRun prepared = prepare_resume(folder_.path(), {});
    Configuration& c = *prepared.configuration;
    const std::vector<TaskText> tasks = read_tasks(c.recipe);
    Trainer trainer(c.recipe, c.options, c.method(), bench(c.recipe), tasks, &watch);
    const RightOfWay::Learning learning(way_);
    ilora::train(prepared, trainer);
  }
  before.drop();
  write_file_atomic(before_task(folder_), task.name);
  before.keep();
}

// "train.epochs=N" for a task: the run's own, as it was when it was first served, or as many as make
// the least number of steps.
std::string School::epochs_for(const Recipe& recipe, const TaughtTask& task) const {
  const fs::path kept = folder_.path() / "serve" / "epochs";
  if (!fs::exists(kept)) write_file_atomic(kept, std::to_string(recipe.epochs));
  const int64_t own = std::stoll(read_file(kept));
  const int64_t batch = std::max(recipe.batch_size, int64_t{1});
  const int64_t steps = (std::ssize(task.rows) + batch - 1) / batch;  // of an epoch
  const int64_t least = (options_.least_steps + steps - 1) / std::max(steps, int64_t{1});
  return fmt::format("train.epochs={}", std::max(own, least));
}

void School::train(const TaughtTask& task) {
  std::vector<std::string> known;
  if (folder_.exists()) {
    for (const fs::path& path : configuration_of(folder_)->recipe.task_folders())
      known.push_back(task_name(path));
  }
  const bool begun = std::ranges::count(known, task.name) > 0;
  const bool learned = folder_.last_task() == std::ssize(known);
  if (begun && learned && is_finished(folder_)) return;  // a stopped server had come so far
  const fs::path path = fs::absolute(folder_.given_tasks() / task.name).lexically_normal();
  PreparedRun prepared;
  if (begun) {
    prepared = prepare_resume(folder_.path(), {});
  } else if (folder_.exists()) {
    const std::string epochs = epochs_for(configuration()->recipe, task);
    prepared = prepare_continue(folder_.path(), {path.string()}, {epochs});
  } else {
    auto first = configuration();
    first->set({epochs_for(first->recipe, task)});
    first->recipe.tasks = {task.name};
    prepared = prepare_new(std::move(first));
  }
  Configuration& c = *prepared.configuration;
  const std::vector<TaskText> tasks = read_tasks(c.recipe);
  Watch watch(*this, task.name);
  Trainer trainer(c.recipe, c.options, c.method(), bench(c.recipe), tasks, &watch);
  const RightOfWay::Learning learning(way_);
  ilora::train(prepared, trainer);
}

std::vector<TaskEval> School::earlier_tasks(const Configuration& configuration,
                                            const std::string& task) const {
  std::vector<TaskEval> evals;
  const Recipe& recipe = configuration.recipe;
  const std::vector<TaskText> texts = read_tasks(recipe);
  for (size_t t = 0; t < texts.size(); ++t) {
    if (texts[t].name == task) continue;
    evals.push_back(
        probe_of(make_task_eval(texts[t], recipe.evaluated_split(), recipe.measure_of(t)),
                 options_.budget.probe_rows));
  }
  evals.insert(evals.end(), probes_.begin(), probes_.end());
  return evals;
}

// The learned state is deployed, or a part of the way to it, or nothing of it.
void School::weigh(const TaughtTask& task) {
  {
    const std::lock_guard lock(mutex_);
    progress_->phase = "weighing";
  }
  const auto own = configuration_of(folder_);
  const Recipe& recipe = own->recipe;
  const std::string deployed = own->method().deployed();
  const int64_t last = folder_.last_task();
  const Adapter after = load_adapter(folder_.saved_adapter(last, deployed), model_.files);
  fs::path old = journal_.deployed();
  if (old.empty() && last > 1 && fs::is_directory(folder_.adapter(last - 1, deployed)))
    old = folder_.adapter(last - 1, deployed);
  const std::vector<TaskEval> earlier = earlier_tasks(*own, task.name);
  const std::vector<TaskText> texts = read_tasks(recipe);
  const TaskEval eval = probe_of(
      make_task_eval(texts.back(), recipe.evaluated_split(), recipe.measure_of(texts.size() - 1)),
      options_.budget.probe_rows);
  Workbench& own_bench = bench(recipe);
  Evaluator evaluator(own_bench.engine, own_bench.encoder, {recipe.max_new_tokens});
  Adapter chosen(model_.config(), after.options());
  Verdict verdict;
  {
    const RightOfWay::Learning learning(way_);
    Adapter before(model_.config(), after.options());  // zeros: as the base model
    if (!old.empty()) before = load_adapter(old, model_.files);
    verdict =
        judge(evaluator, own_bench.engine, earlier, eval, before, after, chosen, options_.budget);
  }
  JournalEntry entry;
  entry.task = task.name;
  entry.rows = std::ssize(task.rows);
  entry.share = verdict.share;
  entry.earlier = std::move(verdict.earlier);
  entry.own = verdict.own;
  entry.reason = verdict.reason;
  if (!verdict.deploys) {
    entry.kind = JournalEntry::kRefused;
    return refuse(task, std::move(entry));
  }
  const std::lock_guard lock(mutex_);
  const JournalEntry& line = journal_.deploy(std::move(entry), chosen, recipe.model);
  news_.deployed(fmt::format("deployment-{:04}", line.number), folder_.path() / line.adapter);
  before_of(folder_).drop();
  tell(fmt::format("{} is deployed (entry {}): {}", task.name, line.number, line.reason));
}

// The run is as before the task, whose rows are laid aside. Each part may be done again by a server
// that comes after one that was stopped in between; an entry without a kind is written already.
void School::refuse(const TaughtTask& task, JournalEntry entry) {
  const std::lock_guard lock(mutex_);
  if (!entry.kind.empty()) {
    const JournalEntry& line = journal_.add(std::move(entry));
    tell(fmt::format("{} is {} (entry {}): {}", task.name, line.kind, line.number, line.reason));
  }
  const Before before = before_of(folder_);
  if (before.there()) {
    const int64_t last = folder_.last_task();
    int64_t learned = 0;
    before.put_back();
    if (folder_.exists()) learned = std::ssize(configuration_of(folder_)->recipe.task_folders());
    for (int64_t number = learned + 1; number <= last; ++number)
      remove_folder(folder_.task(number));
  }
  const fs::path rows = folder_.given_tasks() / task.name,
                 aside = folder_.path() / "serve" / "refused" / task.name;
  if (!fs::is_directory(rows)) return;
  make_folder(aside.parent_path());
  remove_folder(aside);
  fs::rename(rows, aside);
}

}  // namespace ilora
