#include "report/page_data.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "report/words.h"
#include "runs/schema.h"

namespace ilora::report {
namespace {

// Numbers in all curves of a page together: about 1.6 MB as text, so the page stays below 8 MiB
// with Plotly.js.
constexpr size_t kNumbersPerPage = 200'000;
constexpr size_t kPointsPerRun = 1'500;  // more cannot be told apart on a screen

// Five digits are enough for a picture, and keep the page small.
Json rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  const std::string digits = fmt::format("{:.5g}", value);
  double result = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), result);
  if (result == std::floor(result) && std::abs(result) < 1e15) return static_cast<int64_t>(result);
  return result;
}

Json rounded(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(rounded(value));
  return list;
}

Json curves_json(const Curves& curves) {
  Json series = Json::array();
  for (const Series& s : curves.series)
    series.push_back({{"group", s.group}, {"name", s.name}, {"values", rounded(s.values)}});
  return {{"step", curves.step},
          {"task_index", curves.task_index},
          {"steps_per_point", curves.steps_per_point},
          {"series", series}};
}

}  // namespace

std::string page_data(std::vector<RunData>& runs, const Json& analyses) {
  size_t series = 0;
  for (const RunData& run : runs) series += run.curves.series.size() + 2;
  const size_t points = std::min(kPointsPerRun, kNumbersPerPage / std::max<size_t>(series, 1));
  Json list = Json::array();
  for (RunData& run : runs) {
    run.curves.thin(std::max<size_t>(points, 1));
    list.push_back({{"label", run.label},
                    {"tasks", run.tasks},
                    {"scores", json_of(run.scores)},
                    {"curves", curves_json(run.curves)}});
  }
  const Json data = {{"tasks", all_tasks(runs)}, {"runs", list}, {"analyses", analyses}};
  std::string out;
  for (const char c : json_text(data, -1)) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out;
}

}  // namespace ilora::report
