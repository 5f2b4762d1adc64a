// metrics.jsonl: how a run went, an event per line. Written by train/, read by report/curves.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runs/run_folder.h"

namespace ilora {

inline constexpr const char* kMetricsFile = "metrics.jsonl";

// Figures by name, in the order written.
using Figures = std::vector<std::pair<std::string, double>>;

// An optimiser step.
struct StepEvent {
  static constexpr const char* kFile = kMetricsFile;

  int64_t step = 0;  // of the run, from 1
  std::string task;
  int64_t task_index = 0;
  int64_t epoch = 0;
  std::optional<double> loss;
  Figures terms;           // of the loss
  Figures gradient_norms;  // "total" before clipping, and the terms' own where measured
  double learning_rate = 0;
  int64_t tokens = 0;
  double tokens_per_second = 0;
  Figures reported;  // what the method tells of the step, under names of its own

  static void visit(auto& keys, auto& self) {
    keys.constant("event", "step");
    keys.required("step", self.step);
    keys.value("task", self.task);
    keys.value("task_index", self.task_index);
    keys.value("epoch", self.epoch);
    keys.value("loss", self.loss);
    keys.value("terms", self.terms);
    keys.value("gradient_norms", self.gradient_norms);
    keys.value("learning_rate", self.learning_rate);
    keys.value("tokens", self.tokens);
    keys.value("tokens_per_second", self.tokens_per_second);
    keys.rest(self.reported);
  }
};

// The score of a learner on a task.
struct EvalEvent {
  static constexpr const char* kFile = kMetricsFile;

  int64_t after = 0;  // tasks learned
  std::string task, learner, measure;
  double score = 0;

  static void visit(auto& keys, auto& self) {
    keys.constant("event", "eval");
    keys.required("after", self.after);
    keys.required("task", self.task);
    keys.required("learner", self.learner);
    keys.required("measure", self.measure);
    keys.required("score", self.score);
  }
};

// General ability.
struct ProbeEvent {
  static constexpr const char* kFile = kMetricsFile;

  int64_t after = 0;
  std::string name, learner, measure;
  double value = 0;

  static void visit(auto& keys, auto& self) {
    keys.constant("event", "probe");
    keys.required("after", self.after);
    keys.required("name", self.name);
    keys.required("learner", self.learner);
    keys.required("measure", self.measure);
    keys.required("value", self.value);
  }
};

struct TaskEndEvent {
  static constexpr const char* kFile = kMetricsFile;

  std::string task;
  int64_t task_index = 0;
  int64_t step = 0;

  static void visit(auto& keys, auto& self) {
    keys.constant("event", "task_end");
    keys.required("task", self.task);
    keys.required("task_index", self.task_index);
    keys.required("step", self.step);
  }
};

// Every step of a run in order; none where there is no log. A resumed run takes the steps since its
// checkpoint again: the later ones count. A last line that was cut off (the run was killed while
// writing) and other events are passed over. Throws Error(kFormat) naming file and line.
std::vector<StepEvent> read_steps(const RunFolder& folder);

// The log's size, and what drops all that was logged after it: events of steps that a resumed run
// takes again.
int64_t metrics_bytes(const RunFolder& folder);
void truncate_metrics(const RunFolder& folder, int64_t bytes);

}  // namespace ilora
