#include "train/step.h"

#include <fmt/ranges.h>

#include <cmath>

#include "base/denormals.h"
#include "base/error.h"

namespace ilora {
namespace {

// The sum of a row's losses in a segment.
double row_loss(const std::vector<PassReport::RowLosses>& losses, size_t row) {
  double sum = 0;
  for (const PassReport::RowLosses& loss : losses) {
    if (!loss.rows.empty()) sum += loss.rows[row];
  }
  return sum;
}

// The rows whose loss is not finite. Where every loss is, it is the gradient that is not: any row of
// the step may be the cause.
std::string rows_at_fault(const Step& step, const StepNames& names) {
  const bool any = std::isfinite(step.report.total());
  std::vector<std::string> list;
  for (size_t s = 0; s < step.pass.segments.size(); ++s) {
    const Segment& segment = step.pass.segments[s];
    if (!segment.has_gradient()) continue;
    for (size_t i = 0; i < segment.rows.size(); ++i) {
      if (!any && std::isfinite(row_loss(step.report.segments[s], i))) continue;
      const Row& row = *segment.rows[i];
      const auto task = static_cast<size_t>(row.task);
      list.push_back(fmt::format(
          "{}:{}", task < names.row_tasks.size() ? names.row_tasks[task] : std::to_string(task + 1),
          number_in_file(row.id)));
    }
  }
  return fmt::format("{}", fmt::join(list, ", "));
}

void require_finite(const Run& run, const Step& step, double norm, const StepNames& names) {
  const bool finite_loss = std::isfinite(step.report.total());
  if (finite_loss && std::isfinite(norm)) return;
  throw Error(
      ErrorKind::kNumeric,
      fmt::format(
          "[train] the {} is not finite at step {} of task {}; rows (task:row of train.json) {}",
          finite_loss ? "gradient" : "loss", run.position.step + 1, names.task,
          rows_at_fault(step, names)),
      "Look at those rows, or start a new run with a lower train.learning_rate or with train.clip; "
      "`ilora train --resume` would take the same steps to the same error.");
}

}  // namespace

Step compute_gradient(Run& run, Method& method, const std::vector<const Row*>& rows,
                      const StepVisitor& before_edit) {
  const FlushDenormals flush;
  Step step;
  step.rows = rows;
  run.clear_reported();
  step.pass = method.plan(run, rows);
  step.tokens = trained_tokens(step.pass);
  step.report = run.run_step(step.pass);
  if (before_edit) before_edit(step);
  run.step_losses = step.report;
  method.edit_gradient(run);
  return step;
}

double apply_update(Run& run, Method& method, Optimizer& optimizer, const Step& step,
                    double learning_rate, const StepNames& names) {
  const FlushDenormals flush;
  const Tensor second = method.second_moment_gradient();
  const double norm = optimizer.clip(run.gradient(), second);
  require_finite(run, step, norm, names);
  optimizer.step(run.fast().values(), run.gradient(), learning_rate, second);
  ++run.position.step;
  ++run.position.task_step;
  method.after_update(run, step.rows);
  return norm;
}

}  // namespace ilora
