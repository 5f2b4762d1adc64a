#include "continual/replay.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace ilora {
namespace {

// Loss of each current row per labelled token in the step's own pass, whose first segment holds
// them; empty where the pass did not tell.
std::vector<double> losses_of(const Run& run, const std::vector<const Row*>& current) {
  if (run.step_losses.segments.empty()) return {};
  const std::span<const double> sums = run.step_losses.rows(0, LossKind::kCrossEntropy);
  if (sums.size() != current.size()) return {};
  std::vector<double> losses(sums.begin(), sums.end());
  for (size_t i = 0; i < losses.size(); ++i)
    losses[i] /= static_cast<double>(current[i]->label_count(run.loss.labels));
  return losses;
}

// Weights with which one mean over all rows (or labels) becomes half the mean of each segment.
void weigh_as_two_means(Pass& pass, const Run& run) {
  const LossKind kind = LossKind::kCrossEntropy;
  const double all = run.denominators(pass)[kind];
  for (Segment& segment : pass.segments) {
    const double own = run.denominators(Pass{{segment}})[kind];
    segment.losses.front().weight = all / (static_cast<double>(pass.segments.size()) * own);
  }
}

// The share of the present task, the `tasks`-th, in the loss of a step that weighs by task: that of
// one task of so many, but enough to be learned.
double present_share(int64_t tasks) {
  constexpr double kLeast = 0.25;
  return std::max(1.0 / static_cast<double>(tasks), kLeast);
}

// Weights with which one mean over all rows (or labels) becomes
//
//   a * mean of the current rows + (1 - a) * mean over tasks of the mean of their replayed rows
//
// with a = present_share. `tasks`: of the run so far, the present one included.
void weigh_by_task(Pass& pass, const Run& run, int64_t tasks) {
  const LossKind kind = LossKind::kCrossEntropy;
  Segment &current = pass.segments.front(), &replayed = pass.segments.back();
  const auto own = [&](const Segment& segment) { return run.denominators(Pass{{segment}})[kind]; };
  const double all = run.denominators(pass)[kind], in_all = own(replayed);
  std::vector<double> of_task;
  double drawn = 0;  // tasks
  for (int64_t task = 0; task < tasks; ++task) {
    Segment its = replayed;
    std::erase_if(its.rows, [&](const Row* row) { return row->task != task; });
    of_task.push_back(own(its));
    if (of_task.back() > 0) ++drawn;
  }
  const double share = present_share(tasks);
  current.losses.front().weight = share * all / own(current);
  Loss& loss = replayed.losses.front();
  loss.weight = (1 - share) * all / in_all;
  for (const Row* row : replayed.rows)
    loss.row_weights.push_back(
        static_cast<float>(in_all / (drawn * of_task[static_cast<size_t>(row->task)])));
}

}  // namespace

void Replay::add_memory_options(OptionList& list, const std::string& method) {
  const auto key = [&](const char* name) { return method + "." + name; };
  ReplayOptions& o = options;
  // A method with a memory of its own kind has set it before (sure).
  const bool default_policy = o.memory.policy == MemoryOptions().policy;
  list.add(key("memory_size"), &o.memory.size, "rows that the memory keeps over the whole sequence",
           {.min = 1, .source = "the I-LoRA paper's 500", .fixed_once_learned = true});
  list.add(key("memory_bytes"), &o.memory_bytes,
           "most bytes of the rows that the memory keeps; 0: memory_size alone counts",
           {.min = 0, .source = "ours", .fixed_once_learned = true});
  list.add(key("memory_age"), &o.memory_age,
           "rows of tasks that are more than so many tasks back leave the memory; 0: none do",
           {.min = 0, .source = "ours"});
  list.add(key("policy"), &o.memory.policy, "which rows the memory keeps",
           {.choices = memory_policies(),
            .source = default_policy ? "the I-LoRA paper's reservoir" : "paper",
            .fixed_once_learned = true});
  list.add(key("surprise_cap"), &o.memory.surprise.cap,
           "surprise: standard deviations above its task's mean at which a loss is an outlier",
           {.min = 0, .source = default_policy ? "ours" : "paper", .fixed_once_learned = true});
  list.add(key("surprise_random"), &o.memory.surprise.random_share,
           "surprise: share of the memory that is a uniform sample",
           {.min = 0,
            .max = 1,
            .source = default_policy ? "ours" : "paper",
            .fixed_once_learned = true});
  list.add(key("ratio"), &o.ratio, "replayed rows per current row, in a step that replays",
           {.min = 0, .source = "Chaudhry et al. 2019, the I-LoRA paper"});
  list.add(key("ratio_per_task"), &o.ratio_per_task,
           "times the number of tasks learned before: replay grows with them",
           {.source = "TRACE replays a share of each past task"});
  list.add(key("interval"), &o.interval, "replay in every so many steps of a task", {.min = 1});
  list.add(key("interval_growth"), &o.interval_growth,
           "each interval of a task is this many times the one before; 1: fixed",
           {.min = 1, .max = 100, .source = "after MSSR's expanding intervals"});
  list.add(key("insert_first"), &o.insert_first,
           "the current rows enter the memory before the step draws from it, not after",
           {.source = "the I-LoRA reference code: true"});
  list.add(key("insert_again"), &o.insert_again,
           "rows enter in every epoch, not in the first alone",
           {.source = "the I-LoRA reference code: true", .fixed_once_learned = true});
  list.add(key("draw"), &o.draw,
           "all: of the whole memory, which holds rows of the present task too; past: of earlier "
           "tasks alone, tasks in turn",
           {.choices = {"all", "past"}, .source = "the I-LoRA paper; past: ours"});
}

void Replay::add_weight_options(OptionList& list, const std::string& method) {
  const auto key = [&](const char* name) { return method + "." + name; };
  ReplayOptions& o = options;
  list.add(key("two_means"), &o.two_means,
           "half the mean of current and half that of replayed rows, not one mean over both",
           {.source = "the I-LoRA reference code: true"});
  list.add(key("weight"), &o.weight,
           "rows: as two_means says; by-task: the present task at least a quarter or its share of "
           "the tasks, and what is left equally to the tasks that are replayed",
           {.choices = {"rows", "by-task"}, .source = "by-task: ours"});
  list.add(key("reweigh"), &o.reweigh,
           "answers: replayed rows weigh what undoes the difference between the memory's shares of "
           "answers and their task's",
           {.choices = {"none", "answers"},
            .source = "post-stratification (Holt and Smith 1979)",
            .fixed_once_learned = true});
}

void Replay::check() const {
  if (options.two_means && options.weight != "rows") {
    throw Error(ErrorKind::kUsage,
                fmt::format("[replay] two_means and weight {} exclude each other", options.weight),
                "Each says what replayed rows weigh: give one of them.");
  }
  if (options.insert_first && options.memory.policy == "surprise") {
    throw Error(ErrorKind::kUsage,
                "[replay] policy surprise cannot insert rows before their step: their losses are "
                "known after it",
                "Set insert_first to false, or choose another policy.");
  }
}

Memory& Replay::memory() {
  if (!memory_) memory_ = make_memory(options.memory);
  return *memory_;
}

bool Replay::due(int64_t task_step) const {
  if (options.interval_growth == 1.0) return (task_step + 1) % options.interval == 0;
  int64_t replayed = 0;  // the latest step that replays, from 1
  for (auto gap = static_cast<double>(options.interval); replayed < task_step + 1;
       gap *= options.interval_growth) {
    if (gap > static_cast<double>(task_step + 1)) return false;
    replayed += std::llround(gap);
  }
  return replayed == task_step + 1;
}

// ratio times the current rows, exact over the steps that replay although each step takes whole
// rows.
int64_t Replay::rows_due(const Run& run, int64_t current) {
  const double tasks = options.ratio_per_task ? static_cast<double>(run.position.task) : 1.0;
  const double ratio = options.ratio * tasks;
  const auto whole = [&](int64_t rows) {
    return static_cast<int64_t>(ratio * static_cast<double>(rows) + 1e-6);  // 0.29 * 100 is 29
  };
  const int64_t before = current_rows_;
  current_rows_ += current;
  return whole(current_rows_) - whole(before);
}

std::vector<std::vector<const Row*>> Replay::take(Run& run, const std::vector<const Row*>& current,
                                                  int draws) {
  keep_to_limits(run);
  if (options.insert_first) insert(run, current, {});
  if (run.position.task == 0 || !due(run.position.task_step)) return {};
  const int64_t count = rows_due(run, static_cast<int64_t>(current.size()));
  std::vector<std::vector<const Row*>> taken;
  for (int i = 0; i < draws; ++i) {
    const uint64_t seed = i == 0 ? run.seed : hash_combine(run.seed, static_cast<uint64_t>(i));
    taken.push_back(draw(run, count, seed));
    if (taken.back().empty()) return {};
  }
  return taken;
}

bool Replay::add_to(Pass& pass, Run& run) {
  const auto taken = take(run, pass.segments.front().rows, 1);
  if (taken.empty()) return false;
  pass.segments.push_back(pass.segments.front());
  pass.segments.back().rows = taken.front();
  weigh(pass, run);
  return true;
}

std::vector<const Row*> Replay::draw(const Run& run, int64_t count, uint64_t seed) {
  const Position& at = run.position;
  if (options.draw == "past") return memory().draw_past(count, at.task, seed, at.step);
  return memory().draw(count, seed, at.step);
}

void Replay::weigh(Pass& pass, const Run& run) {
  if (options.two_means) weigh_as_two_means(pass, run);
  if (options.weight == "by-task") weigh_by_task(pass, run, run.position.task + 1);
  if (options.reweigh == "none") return;
  const Segment& replayed = pass.segments.back();
  const std::vector<float> weights = answers_.weights(replayed.rows, memory().rows());
  std::vector<float>& all = pass.segments.back().losses.front().row_weights;
  all.resize(weights.size(), 1.0F);
  for (size_t i = 0; i < weights.size(); ++i) all[i] *= weights[i];
}

void Replay::insert(Run& run, const std::vector<const Row*>& current,
                    std::span<const double> losses) {
  if (run.position.epoch > 0 && !options.insert_again) return;
  for (size_t i = 0; i < current.size(); ++i) {
    if (left_out && left_out(*current[i])) continue;
    if (options.reweigh != "none" && run.position.epoch == 0) answers_.add(*current[i]);
    memory().insert(*current[i], run.seed,
                    losses.empty() ? std::nullopt : std::optional(losses[i]));
  }
  if (keep_with) memory().each_row([&](Row& row) { keep_with(run, row); });
  keep_to_limits(run);
}

void Replay::keep_to_limits(const Run& run) {
  if (options.memory_age > 0) {
    const int64_t first = run.position.task - options.memory_age;
    memory().forget([first](const Row& row) { return row.task < first; });
  }
  if (options.memory_bytes > 0) memory().shrink(options.memory_bytes, run.seed);
}

void Replay::remember(Run& run, const std::vector<const Row*>& current) {
  if (!options.insert_first) insert(run, current, losses_of(run, current));
  run.report("memory_rows", static_cast<double>(memory().rows().size()));
  run.report("memory_bytes", static_cast<double>(memory().bytes()));
}

void Replay::visit(StateVisitor& visitor, const std::string& name) {
  memory().visit(visitor, name);
  if (options.memory_bytes > 0) {
    int64_t room = memory().capacity();
    visitor.value(name + ".capacity", room);
    memory().restore_capacity(room);
  }
  visitor.value(name + ".current_rows", current_rows_);
  if (options.reweigh != "none") answers_.visit(visitor, name + ".answers");
}

}  // namespace ilora
