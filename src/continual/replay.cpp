#include "continual/replay.h"

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

}  // namespace

void Replay::add_options(OptionList& list, const std::string& method) {
  const auto key = [&](const char* name) { return method + "." + name; };
  ReplayOptions& o = options;
  list.add(key("memory_size"), &o.memory.size, "rows that the memory keeps over the whole sequence",
           {.min = 1, .source = "the I-LoRA paper's 500", .fixed_once_learned = true});
  list.add(key("policy"), &o.memory.policy, "which rows the memory keeps",
           {.choices = memory_policies(),
            .source = "the I-LoRA paper's reservoir",
            .fixed_once_learned = true});
  list.add(key("surprise_cap"), &o.memory.surprise.cap,
           "surprise: standard deviations above its task's mean at which a loss is an outlier",
           {.min = 0, .source = "ours", .fixed_once_learned = true});
  list.add(key("surprise_random"), &o.memory.surprise.random_share,
           "surprise: share of the memory that is a uniform sample",
           {.min = 0, .max = 1, .source = "ours", .fixed_once_learned = true});
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
  list.add(key("two_means"), &o.two_means,
           "half the mean of current and half that of replayed rows, not one mean over both",
           {.source = "the I-LoRA reference code: true"});
}

void Replay::check() const {
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

bool Replay::add_to(Pass& pass, Run& run) {
  const std::vector<const Row*> current = pass.segments.front().rows;
  if (options.insert_first) insert(run, current, {});
  if (run.position.task == 0 || !due(run.position.task_step)) return false;
  const int64_t count = rows_due(run, static_cast<int64_t>(current.size()));
  const auto replayed = memory().draw(count, run.seed, run.position.step);
  if (replayed.empty()) return false;
  pass.segments.push_back(pass.segments.front());
  pass.segments.back().rows = replayed;
  if (options.two_means) weigh_as_two_means(pass, run);
  return true;
}

void Replay::insert(const Run& run, const std::vector<const Row*>& current,
                    std::span<const double> losses) {
  if (run.position.epoch > 0 && !options.insert_again) return;
  for (size_t i = 0; i < current.size(); ++i)
    memory().insert(*current[i], run.seed,
                    losses.empty() ? std::nullopt : std::optional(losses[i]));
}

void Replay::remember(Run& run, const std::vector<const Row*>& current) {
  if (!options.insert_first) insert(run, current, losses_of(run, current));
  run.report("memory_rows", static_cast<double>(memory().rows().size()));
  run.report("memory_bytes", static_cast<double>(memory().bytes()));
}

void Replay::visit(StateVisitor& visitor, const std::string& name) {
  memory().visit(visitor, name);
  visitor.value(name + ".current_rows", current_rows_);
}

}  // namespace ilora
