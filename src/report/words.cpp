#include "report/words.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"

namespace ilora::report {
namespace {

// Three digits, with a real minus sign.
std::string fixed(double value) {
  const std::string digits = fmt::format("{:.3f}", std::abs(value));
  return value < 0 && digits != "0.000" ? "−" + digits : digits;
}

std::string count(size_t n, const std::string& one) {
  return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s");
}

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += i + 1 == parts.size() ? " and " : ", ";
    out += parts[i];
  }
  return out;
}

std::string whole(double value) {  // 12,345
  const std::string digits = fmt::format("{:.0f}", std::abs(value));
  std::string out = value < 0 ? "−" : "";
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

void describe_one(std::vector<std::string>& out, const RunData& run) {
  const bool trained = run.timing.train_tokens != 0;  // also where that is not known
  out.push_back(fmt::format(
      "{}{} {} {}: {}.", run.label, run.model.empty() ? "" : " on " + run.model,
      trained ? "learned" : "was asked", count(run.tasks.size(), "task"), join(run.tasks)));
  const ContinualMetrics& m = run.metrics;
  const Score before = run.scores.empty() ? std::nullopt : mean_score(run.scores.front());
  if (m.average_accuracy && before)
    out.push_back(
        fmt::format("Its average accuracy went from {} before training to {} after the last task.",
                    fixed(*before), fixed(*m.average_accuracy)));
  else if (m.average_accuracy)
    out.push_back(
        fmt::format("Its average accuracy after the last task is {}.", fixed(*m.average_accuracy)));
  if (m.backward_transfer) {
    const double change = *m.backward_transfer;
    out.push_back(fmt::format(
        "Between learning a task and the end, the earlier tasks {} {} on average (backward "
        "transfer {}).",
        change < 0 ? "lost" : "gained", fixed(std::abs(change)), signed_number(change)));
  }
}

struct Compared {
  std::string label;
  double average = 0;
  Score backward;
};

// The means of some runs; none where no average accuracy is known.
void add_means(std::vector<Compared>& out, const std::string& label,
               const std::vector<const RunData*>& runs) {
  double average = 0, backward = 0;
  int averages = 0, backwards = 0;
  for (const RunData* run : runs) {
    if (const Score value = run->metrics.average_accuracy) average += *value, ++averages;
    if (const Score value = run->metrics.backward_transfer) backward += *value, ++backwards;
  }
  if (averages == 0) return;
  out.push_back({label, average / averages, {}});
  if (backwards > 0) out.back().backward = backward / backwards;
}

// Each run or, where methods have several, each method's means.
std::vector<Compared> compared(const std::vector<RunData>& runs, bool as_methods) {
  std::vector<Compared> list;
  if (as_methods) {
    for (const MethodRuns& method : by_method(runs)) add_means(list, method.method, method.runs);
  } else {
    for (const RunData& run : runs) add_means(list, run.label, {&run});
  }
  return list;
}

void describe_several(std::vector<std::string>& out, const std::vector<RunData>& runs) {
  std::set<std::string> models;
  for (const RunData& run : runs) models.insert(run.model);
  const std::string on =
      models.size() == 1 && !models.begin()->empty() ? " of " + *models.begin() : "";
  out.push_back(fmt::format("{}{} on {}: {}.", count(runs.size(), "run"), on,
                            count(all_tasks(runs).size(), "task"), join(all_tasks(runs))));
  if (!same_tasks(runs)) return;
  const size_t methods = by_method(runs).size();
  const bool as_methods = methods > 1 && methods < runs.size();
  const std::vector<Compared> known = compared(runs, as_methods);
  if (known.size() < 2) return;
  const auto [low, high] = std::minmax_element(
      known.begin(), known.end(),
      [](const Compared& a, const Compared& b) { return a.average < b.average; });
  const double gap = high->average - low->average;
  if (fixed(gap) == fixed(0)) {
    out.push_back(fmt::format("All end with the same average accuracy, {}.", fixed(high->average)));
    return;
  }
  out.push_back(
      fmt::format("{} ends with the highest average accuracy, {}; that is {} above {} ({}).",
                  high->label, fixed(high->average), fixed(gap), low->label, fixed(low->average)));
  if (high->backward && low->backward)
    out.push_back(fmt::format(
        "Backward transfer, the change of earlier tasks until the end, is {} for {} and {} "
        "for {}.",
        signed_number(*high->backward), high->label, signed_number(*low->backward), low->label));
  if (as_methods) out.emplace_back("These are means over a method's runs.");
}

void add_warnings(std::vector<std::string>& out, const std::vector<RunData>& runs) {
  std::vector<std::string> unfinished;
  std::set<std::string> models;
  bool same_order = true;
  for (const RunData& run : runs) {
    if (run.unfinished()) unfinished.push_back(run.label);
    models.insert(run.model);
    same_order = same_order && run.tasks == runs.front().tasks;
  }
  if (!unfinished.empty())
    out.push_back(fmt::format("Not finished, so some measures are missing: {}.", join(unfinished)));
  if (!same_tasks(runs))
    out.push_back(
        "The runs were not trained on the same tasks: their averages cannot be compared, and no "
        "best is "
        "marked.");
  else if (!same_order)
    out.push_back("The runs learned the tasks in different orders.");
  if (models.size() > 1) out.push_back("The runs did not start from the same model.");
}

}  // namespace

std::vector<std::string> all_tasks(const std::vector<RunData>& runs) {
  std::vector<std::string> tasks;
  for (const RunData& run : runs)
    for (const std::string& task : run.tasks)
      if (std::find(tasks.begin(), tasks.end(), task) == tasks.end()) tasks.push_back(task);
  return tasks;
}

std::vector<MethodRuns> by_method(const std::vector<RunData>& runs) {
  std::vector<MethodRuns> methods;
  for (const RunData& run : runs) {
    auto it = std::find_if(methods.begin(), methods.end(),
                           [&](const MethodRuns& m) { return m.method == run.method; });
    if (it == methods.end()) it = methods.insert(it, {run.method, {}});
    it->runs.push_back(&run);
  }
  return methods;
}

Score final_score(const RunData& run, const std::string& task) {
  const auto column = run.column(task);
  const auto* row = last_row(run.scores);
  return row == nullptr || !column ? std::nullopt : (*row)[*column];
}

bool same_tasks(const std::vector<RunData>& runs) {
  const auto set_of = [](const RunData& run) {
    return std::set<std::string>(run.tasks.begin(), run.tasks.end());
  };
  return std::all_of(runs.begin(), runs.end(),
                     [&](const RunData& run) { return set_of(run) == set_of(runs[0]); });
}

const std::vector<Column>& columns() {
  static const std::vector<Column> list = {
      {"Average accuracy", [](const RunData& r) { return r.metrics.average_accuracy; }, fixed, +1},
      {"Backward transfer", [](const RunData& r) { return r.metrics.backward_transfer; },
       signed_number, +1},
      {"Forgetting", [](const RunData& r) { return r.metrics.forgetting; }, fixed, -1},
      {"Forward transfer", [](const RunData& r) { return r.metrics.forward_transfer; },
       signed_number, +1},
      {"Training time", [](const RunData& r) { return r.timing.train_seconds; }, duration, -1},
      {"Tokens per second", [](const RunData& r) { return r.timing.tokens_per_second; }, whole, +1},
  };
  return list;
}

std::vector<bool> best_of(const std::vector<RunData>& runs, const Column& column) {
  std::vector<bool> best(runs.size(), false);
  if (!same_tasks(runs)) return best;
  Score top;
  std::set<std::string> shown;
  for (const RunData& run : runs) {
    const Score value = column.value(run);
    if (!value) continue;
    shown.insert(column.show(*value));
    if (!top || *value * column.better > *top * column.better) top = value;
  }
  if (shown.size() < 2) return best;
  for (size_t i = 0; i < runs.size(); ++i) {
    const Score value = column.value(runs[i]);
    best[i] = value && column.show(*value) == column.show(*top);
  }
  return best;
}

std::string signed_number(double value) {
  const std::string digits = fixed(value);
  return value > 0 && digits != "0.000" ? "+" + digits : digits;
}

std::string duration(double seconds) {
  const auto total = static_cast<int64_t>(std::llround(std::max(seconds, 0.0)));
  if (total < 10) return fmt::format("{:.1f} s", std::max(seconds, 0.0));
  if (total < 60) return fmt::format("{} s", total);
  if (total < 3600) return fmt::format("{} min {:02} s", total / 60, total % 60);
  return fmt::format("{} h {:02} min", total / 3600, total % 3600 / 60);
}

std::string title(const std::vector<RunData>& runs) {
  std::vector<std::string> methods;
  for (const RunData& run : runs)
    if (std::find(methods.begin(), methods.end(), run.method) == methods.end())
      methods.push_back(run.method);
  return fmt::format("{} on {}", join(methods), count(all_tasks(runs).size(), "task"));
}

std::vector<std::string> summary(const std::vector<RunData>& runs) {
  std::vector<std::string> sentences;
  if (runs.size() == 1)
    describe_one(sentences, runs.front());
  else
    describe_several(sentences, runs);
  add_warnings(sentences, runs);
  return sentences;
}

}  // namespace ilora::report
