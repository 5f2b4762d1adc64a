#include "report/curves.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

namespace ilora::report {
namespace {

constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

using SeriesKey = std::pair<std::string, std::string>;  // group and name

// What curves show of a step.
std::vector<std::pair<SeriesKey, double>> values_of(const StepEvent& step) {
  std::vector<std::pair<SeriesKey, double>> values;
  const auto add = [&](const char* group, const std::string& name, double value) {
    if (!std::isnan(value)) values.push_back({{group, name}, value});
  };
  if (step.loss) add("loss", "loss", *step.loss);
  for (const auto& [name, value] : step.terms) add("loss", name, value);
  for (const auto& [name, value] : step.gradient_norms) add("gradient_norms", name, value);
  for (const auto& [name, value] : step.reported)
    if (name == "distance") add("distance", name, value);
  return values;
}

double mean_present(const std::vector<double>& values, size_t begin, size_t end) {
  double sum = 0;
  int64_t count = 0;
  for (size_t i = begin; i < end; ++i) {
    if (!std::isfinite(values[i])) continue;
    sum += values[i];
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : kAbsent;
}

}  // namespace

Curves curves_of(const std::vector<StepEvent>& steps) {
  Curves curves;
  // Steps may be counted per task; a report counts them over the run.
  const bool rising = std::ranges::adjacent_find(steps, [](const StepEvent& a, const StepEvent& b) {
                        return a.step >= b.step;
                      }) == steps.end();
  std::map<SeriesKey, size_t> index;
  for (size_t i = 0; i < steps.size(); ++i) {
    curves.step.push_back(rising ? steps[i].step : static_cast<int64_t>(i + 1));
    curves.task_index.push_back(steps[i].task_index);
    for (const auto& [key, value] : values_of(steps[i])) {
      const auto [it, added] = index.try_emplace(key, curves.series.size());
      if (added)
        curves.series.push_back(
            {key.first, key.second, std::vector<double>(steps.size(), kAbsent)});
      curves.series[it->second].values[i] = value;
    }
  }
  // The total first, then the terms by name: the same order, hence the same colours, in every run.
  std::ranges::sort(curves.series, {}, [](const Series& s) {
    return std::tuple(s.group, s.name != "loss" && s.name != "total", s.name);
  });
  return curves;
}

void Curves::thin(size_t points) {
  if (points == 0 || step.size() <= points) return;
  const size_t width = (step.size() + points - 1) / points;
  Curves thinned;
  thinned.steps_per_point = steps_per_point * static_cast<int64_t>(width);
  for (const Series& s : series) thinned.series.push_back({s.group, s.name, {}});
  for (size_t begin = 0; begin < step.size();) {
    size_t end = begin + 1;
    while (end < step.size() && end - begin < width && task_index[end] == task_index[begin]) ++end;
    thinned.step.push_back(step[end - 1]);
    thinned.task_index.push_back(task_index[begin]);
    for (size_t i = 0; i < series.size(); ++i)
      thinned.series[i].values.push_back(mean_present(series[i].values, begin, end));
    begin = end;
  }
  *this = std::move(thinned);
}

}  // namespace ilora::report
