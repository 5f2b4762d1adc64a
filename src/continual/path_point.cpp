#include "continual/path_point.h"

#include <algorithm>
#include <cmath>

namespace ilora {
namespace {

using TaskLosses = std::vector<std::vector<double>>;  // [task][row]

// The mean over tasks of the mean over rows of a - b, and the square of its standard error.
struct Difference {
  double mean = 0, variance = 0;
};

Difference difference(const TaskLosses& a, const TaskLosses& b) {
  Difference all;
  const auto tasks = static_cast<double>(a.size());
  for (size_t task = 0; task < a.size(); ++task) {
    const auto rows = static_cast<double>(a[task].size());
    double mean = 0, squares = 0;
    for (size_t i = 0; i < a[task].size(); ++i) mean += (a[task][i] - b[task][i]) / rows;
    for (size_t i = 0; i < a[task].size(); ++i) {
      const double from_mean = a[task][i] - b[task][i] - mean;
      squares += from_mean * from_mean;
    }
    all.mean += mean / tasks;
    if (rows > 1) all.variance += squares / (rows - 1) / rows / (tasks * tasks);
  }
  return all;
}

}  // namespace

size_t choose_point(std::span<const TaskLosses> losses) {
  size_t least = 0;
  for (size_t i = 1; i < losses.size(); ++i)
    if (difference(losses[i], losses[least]).mean < 0) least = i;
  for (size_t i = 0; i < least; ++i) {
    const Difference above = difference(losses[i], losses[least]);
    if (above.mean <= std::sqrt(above.variance)) return i;
  }
  return least;
}

bool PathPoint::holds(const Row& row) const {
  if (row.task >= held_.tasks()) return false;
  return std::ranges::any_of(held_.rows(row.task),
                             [&](const Row& held) { return held.id == row.id; });
}

int64_t PathPoint::bytes() const {
  int64_t sum = 0;
  for (int64_t task = 0; task < held_.tasks(); ++task)
    for (const Row& row : held_.rows(task)) sum += row.bytes();
  return sum;
}

double PathPoint::choose(Run& run, Adapter& to, const Adapter& from, const Adapter& towards) const {
  const auto go_to = [&](double beta) {
    run.kernels().convert(to.values(), from.values());
    run.kernels().interpolate(to.values(), towards.values(), 1.0 - beta);
  };
  std::vector<TaskLosses> losses;
  for (const double beta : kBetas) {
    go_to(beta);
    TaskLosses& here = losses.emplace_back();
    for (int64_t task = 0; task < held_.tasks(); ++task) {
      if (!held_.rows(task).empty()) here.push_back(run.losses(to, row_pointers(held_.rows(task))));
    }
  }
  const double chosen = kBetas[choose_point(losses)];
  go_to(chosen);
  return chosen;
}

}  // namespace ilora
