#include "serve/school.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/parallel.h"
#include "serve/request_error.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

fs::path serve_folder(const RunFolder& folder) {
  fs::path path = folder.path() / "serve";
  make_folder(path);
  return path;
}

// Whether learning the same rows would end in the same error.
bool repeats(const Error& e) {
  return e.kind() == ErrorKind::kData || e.kind() == ErrorKind::kNumeric ||
         e.kind() == ErrorKind::kUsage || e.kind() == ErrorKind::kUnsupported;
}

}  // namespace

// Watches a task's training: where it is, and whether it may go on.
class School::Watch : public TrainingObserver {
 public:
  Watch(School& school, std::string task) : school_(school), task_(std::move(task)) {}

  void task_begun(const TaskBegun& task) override {
    first_ = task.step;
    set([&](Progress& p) {
      p.phase = "training";
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
      options_(std::move(options)),
      news_(std::move(news)),
      lock_(serve_folder(folder_)),
      learning_(folder_, model, way, options_.learning, [this] { return at_once_.load(); }),
      taught_(folder_, options_.limits),
      journal_(folder_) {
  for (const std::string& warning : taught_.warnings()) news_.warning(warning);
  for (const std::string& warning : journal_.warnings()) news_.warning(warning);
}

School::~School() {
  stop();
}

void School::start() {
  if (const fs::path adapter = journal_.deployed(); !adapter.empty()) {
    news_.deployed(fmt::format("deployment-{}", adapter.filename().string()), adapter);
  } else if (const fs::path own = learning_.own_adapter(); !own.empty()) {
    news_.deployed(learning_.configuration()->method().deployed(), own);
  }
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

std::string School::learn(const TaughtTask& task) {
  const std::lock_guard lock(mutex_);
  std::string name = taught_.add_task(task, used_names());
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

int64_t School::forget(const std::function<bool(const KeptRow&)>& leaves) {
  if (!folder_.has_state()) return 0;
  const std::lock_guard lock(mutex_);
  if (progress_)
    throw Error(ErrorKind::kInUse, "[serve] a task is being learned", "Ask again later.");
  const std::vector<KeptRow> gone = forget_rows(folder_, leaves);
  std::map<std::string, std::set<int64_t>> numbers;
  for (const KeptRow& row : gone) numbers[row.task].insert(row.number);
  for (const auto& [task, rows] : numbers) taught_.blank(task, rows);
  return std::ssize(gone);
}

// ---- the thread -----------------------------------------------------------------------------------

void School::run() {
  const ScopedThreads threads(learning_.configuration()->recipe.threads);
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
  const std::vector<std::string> names = learning_.known_tasks();
  return {names.begin(), names.end()};
}

void School::work(const TaughtTask& task) {
  settle_left_over();
  {
    const std::lock_guard lock(mutex_);
    progress_ = {task.name, "training", 0, 0, 0};
  }
  try {
    learn_and_weigh(task);
  } catch (const Error& e) {
    const std::lock_guard lock(mutex_);
    const bool cancelled = std::exchange(cancelled_, "") == task.name;
    if (!cancelled && !repeats(e)) throw;  // stopped, or a disk that may have room another time
    JournalEntry entry;
    entry.kind = cancelled ? JournalEntry::kCancelled : JournalEntry::kFailed;
    entry.task = task.name;
    entry.rows = std::ssize(task.rows);
    entry.reason = cancelled ? "as asked for" : e.what();
    refuse(std::move(entry));
  }
}

void School::learn_and_weigh(const TaughtTask& task) {
  taught_.write(task);
  Watch watch(*this, task.name);
  learning_.train(task, watch);
  fs::path deployed;
  {
    const std::lock_guard lock(mutex_);
    progress_->phase = "weighing";
    deployed = journal_.deployed();
  }
  const TaskLearning::Weighed weighed = learning_.weigh(task, deployed);
  JournalEntry entry;
  entry.task = task.name;
  entry.rows = std::ssize(task.rows);
  entry.share = weighed.verdict.share;
  entry.earlier = weighed.verdict.earlier;
  entry.own = weighed.verdict.own;
  entry.reason = weighed.verdict.reason;
  const std::lock_guard lock(mutex_);
  if (weighed.verdict.deploys) {
    deploy(std::move(entry), weighed);
  } else {
    entry.kind = JournalEntry::kRefused;
    refuse(std::move(entry));
  }
}

void School::deploy(JournalEntry entry, const TaskLearning::Weighed& weighed) {
  const JournalEntry& line = journal_.deploy(std::move(entry), weighed.adapter, weighed.model);
  news_.deployed(fmt::format("deployment-{:04}", line.number), folder_.path() / line.adapter);
  learning_.drop_before();
  news_.message(fmt::format("{} is deployed (entry {}): {}", line.task, line.number, line.reason));
}

void School::refuse(JournalEntry entry) {
  const JournalEntry& line = journal_.add(std::move(entry));
  learning_.put_back(line.task);
  news_.message(
      fmt::format("{} is {} (entry {}): {}", line.task, line.kind, line.number, line.reason));
}

// What a server that was stopped left undone of a task whose end the journal knows already.
void School::settle_left_over() {
  const std::string name = learning_.kept_before();
  const std::lock_guard lock(mutex_);
  const JournalEntry* entry = journal_.of_task(name);
  if (entry == nullptr) return;
  if (entry->kind == JournalEntry::kDeployed) {
    learning_.drop_before();
  } else {
    learning_.put_back(name);
  }
}

}  // namespace ilora
