// The comparison of runs as plain text (report.h).
#include <algorithm>

#include "base/error.h"
#include "report/report.h"
#include "report/run_data.h"
#include "report/words.h"

namespace ilora {
namespace {

using report::RunData;

constexpr size_t kLongestName = 16;  // of a task, in a column's head

std::string cell(Score value) {
  return value ? fmt::format("{:.3f}", *value) : "-";
}

// Characters, not bytes, so that columns stay aligned with names outside ASCII (wide glyphs aside).
size_t width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// A name for a terminal: no control characters, and not longer than a column should be.
std::string short_name(const std::string& name) {
  std::string shown;
  for (const char c : name) shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  if (width(shown) <= kLongestName) return shown;
  size_t end = 0;
  for (size_t count = 0; end < shown.size(); ++end)
    if ((shown[end] & 0xC0) != 0x80 && ++count == kLongestName) break;
  return shown.substr(0, end) + "…";
}

}  // namespace

std::string comparison_table(std::span<const std::filesystem::path> folders) {
  const std::vector<RunData> runs = report::read_runs({folders.begin(), folders.end()});
  const std::vector<std::string> tasks = report::all_tasks(runs);
  std::vector<std::vector<std::string>> rows(
      1, {"method", "seed", "average", "backward", "forgetting"});
  for (const std::string& task : tasks) rows[0].push_back(short_name(task));
  for (const RunData& run : runs) {
    const ContinualMetrics& m = run.metrics;
    std::string method = short_name(run.method);
    if (run.unfinished()) method += fmt::format(" ({})", short_name(run.status));
    rows.push_back({method, run.seed ? run.seed_text() : "-", cell(m.average_accuracy),
                    cell(m.backward_transfer), cell(m.forgetting)});
    for (const std::string& task : tasks)
      rows.back().push_back(cell(report::final_score(run, task)));
  }
  std::vector<size_t> widths(rows[0].size(), 0);
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  std::string out;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width(row[i]), ' ');
      out += i == 0 ? row[i] + padding : "  " + padding + row[i];
    }
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  return out;
}

}  // namespace ilora
