#include "report/report.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "report/analyses.h"
#include "report/assets.h"
#include "report/html.h"
#include "report/run_data.h"
#include "report/words.h"

namespace ilora::report {
namespace {

// Numbers in all curves of a page together: about 1.6 MB as text, so the page stays below 8 MiB
// with Plotly.js.
constexpr size_t kNumbersPerPage = 200'000;
constexpr double kDarkCell = 0.65;       // above this score the other text colour is easier to read
constexpr size_t kPointsPerRun = 1'500;  // more cannot be told apart on a screen

// JavaScript for a <script> element, which nothing but its own end tag may end.
std::string script(std::string_view code) {
  constexpr std::string_view kEnd = "</script";
  std::string out;
  out.reserve(code.size());
  for (size_t i = 0; i < code.size(); ++i) {
    const std::string_view here = code.substr(i, kEnd.size());
    const bool ends =
        std::equal(here.begin(), here.end(), kEnd.begin(), kEnd.end(),
                   [](char c, char end) { return (c >= 'A' && c <= 'Z' ? c | 0x20 : c) == end; });
    out += ends ? "<\\" : std::string_view(&code[i], 1);
  }
  return out;
}

// ---- Tables
// -------------------------------------------------------------------------------------------------------

std::string runs_table(const std::vector<RunData>& runs) {
  std::string head = "<tr><th scope=\"col\">Method</th><th scope=\"col\">Seed</th>";
  std::vector<std::vector<bool>> best;
  for (const Column& column : columns()) {
    head += fmt::format("<th scope=\"col\" class=\"number\">{}</th>", column.name);
    best.push_back(best_of(runs, column));
  }
  std::string body;
  for (size_t r = 0; r < runs.size(); ++r) {
    const RunData& run = runs[r];
    const bool unfinished = !run.status.empty() && run.status != "finished";
    body += fmt::format("<tr><th scope=\"row\">{}{}</th><td data-label=\"Seed\">{}</td>",
                        escape(run.method),
                        unfinished ? fmt::format(" <small>{}</small>", escape(run.status)) : "",
                        run.seed.empty() ? "–" : escape(run.seed));
    for (size_t c = 0; c < columns().size(); ++c) {
      const Score value = columns()[c].value(run);
      body +=
          fmt::format("<td class=\"number{}\" data-label=\"{}\">{}</td>", best[c][r] ? " best" : "",
                      columns()[c].name, value ? columns()[c].show(*value) : "–");
    }
    body += "</tr>\n";
  }
  return fmt::format("<table class=\"runs\"><thead>{}</tr></thead>\n<tbody>{}</tbody></table>\n",
                     head, body);
}

// Mean and standard deviation over the runs of a method, where several runs (seeds) of one are
// given.
std::string seeds_table(const std::vector<RunData>& runs) {
  std::string body;
  for (const auto& [method, members] : by_method(runs)) {
    if (members.size() < 2) continue;
    body += fmt::format("<tr><th scope=\"row\">{}</th><td data-label=\"Runs\">{}</td>",
                        escape(method), members.size());
    for (size_t c = 0; c < 4; ++c) {
      const Column& column = columns()[c];
      double sum = 0, squares = 0;
      bool complete = true;
      for (const RunData* run : members) {
        const Score value = column.value(*run);
        complete = complete && value;
        sum += value.value_or(0);
        squares += value.value_or(0) * value.value_or(0);
      }
      const double n = static_cast<double>(members.size()), mean = sum / n;
      const double deviation = std::sqrt(std::max(0.0, (squares - n * mean * mean) / (n - 1)));
      body +=
          fmt::format("<td class=\"number\" data-label=\"{}\">{}</td>", column.name,
                      complete ? fmt::format("{} ± {:.3f}", column.show(mean), deviation) : "–");
    }
    body += "</tr>\n";
  }
  if (body.empty() || !same_tasks(runs)) return {};
  std::string head = "<tr><th scope=\"col\">Method</th><th scope=\"col\">Runs</th>";
  for (size_t c = 0; c < 4; ++c)
    head += fmt::format("<th scope=\"col\" class=\"number\">{}</th>", columns()[c].name);
  return "<h3>Over the runs of each method</h3>\n<p class=\"note\">Mean ± standard deviation "
         "between runs.</p>\n" +
         fmt::format("<table class=\"runs\"><thead>{}</tr></thead>\n<tbody>{}</tbody></table>\n",
                     head, body);
}

// Scores as a heat map: the colour is set in page.css from the cell's --v.
std::string matrix_table(const RunData& run, const ScoreMatrix& scores,
                         const std::string& caption) {
  std::string out = fmt::format(
      "<div class=\"scroll\"><table class=\"matrix\"><caption>{}</caption>\n<thead><tr><td></td>",
      escape(caption));
  for (const std::string& task : run.tasks)
    out += fmt::format("<th scope=\"col\" title=\"{0}\"><span>{0}</span></th>", escape(task));
  out += "</tr></thead>\n<tbody>";
  for (size_t k = 0; k < scores.size(); ++k) {
    const std::string when = k == 0 ? "before training" : "after " + run.tasks[k - 1];
    out += fmt::format("<tr><th scope=\"row\" title=\"{0}\"><span>{0}</span></th>", escape(when));
    for (size_t j = 0; j < scores[k].size(); ++j) {
      const Score value = scores[k][j];
      if (!value) {
        out += "<td class=\"none\" title=\"not evaluated\">–</td>";
        continue;
      }
      const double level = std::clamp(*value, 0.0, 1.0);
      out += fmt::format(
          "<td class=\"score{}{}\" style=\"--v:{:.3f}\" title=\"{}, {}: {:.4f}\">{:.2f}</td>",
          level > kDarkCell ? " high" : "", k == j + 1 ? " learned" : "", level,
          escape(run.tasks[j]), escape(when), *value, *value);
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

// Every learner, where there are several.
std::string other_scores(const RunData& run) {
  const std::vector<std::string> learners = learners_of(run);
  if (learners.size() < 2) return {};
  std::string rows, matrices;
  for (const std::string& learner : learners) {
    const ScoreMatrix scores = scores_of(run, learner);
    const auto* row = last_row(scores);
    const Score mean = row != nullptr ? average(*row) : std::nullopt;
    const bool deployed = learner == run.deployed;
    rows += fmt::format("<tr><th scope=\"row\">{}{}</th><td class=\"number\">{}</td></tr>\n",
                        escape(learner), deployed ? " <small>deployed</small>" : "",
                        mean ? fmt::format("{:.3f}", *mean) : "–");
    if (!deployed) matrices += matrix_table(run, scores, learner + " learner");
  }
  return fmt::format(
      "<table class=\"plain\"><thead><tr><th scope=\"col\">Learner</th>"
      "<th scope=\"col\" class=\"number\">Final "
      "average</th></tr></thead><tbody>{}</tbody></table>\n"
      "<details><summary>Their score matrices</summary>{}</details>\n",
      rows, matrices);
}

// What the deployed learner knows of everything else: a row per probe.
std::string probes_table(const RunData& run) {
  if (run.probes.empty()) return {};
  std::string head =
      "<th scope=\"col\">General ability</th><th scope=\"col\" class=\"number\">"
      "before</th>";
  for (const std::string& task : run.tasks)
    head += fmt::format("<th scope=\"col\" class=\"number\">{}</th>", escape(task));
  std::string rows;
  for (const Probe& probe : run.probes) {
    rows +=
        fmt::format("<tr><th scope=\"row\">{}, {}</th>", escape(probe.name), escape(probe.measure));
    for (const Score& value : probe.values)
      rows += value ? fmt::format("<td class=\"number\">{:.4g}</td>", *value)
                    : "<td class=\"number\">–</td>";
    rows += "</tr>\n";
  }
  return fmt::format(
      "<div class=\"scroll\"><table class=\"plain\"><thead><tr>{}</tr></thead><tbody>{}</tbody>"
      "</table></div>\n",
      head, rows);
}

std::string facts(const RunData& run) {
  std::string out = "<dl class=\"facts\">";
  const auto add = [&out](const std::string& name, const std::string& value) {
    if (!value.empty())
      out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
  };
  const auto number = [](Score value) {
    return value ? fmt::format("{:.3f}", *value) : std::string();
  };
  add("model", run.model);
  add("average incremental accuracy", number(run.metrics.average_incremental_accuracy));
  add("intransigence", number(run.metrics.intransigence));
  for (const auto& [name, value] : run.environment) add(name, value);
  add("folder", run.folder.lexically_normal().string());
  return out + "</dl>\n";
}

std::string matrices(const std::vector<RunData>& runs) {
  std::string out;
  for (const RunData& run : runs) {
    const bool one_measure =
        !run.measures.empty() &&
        std::ranges::count(run.measures, run.measures.front()) == std::ssize(run.measures);
    const std::string caption =
        one_measure ? "Scores, measured by " + run.measures.front() : "Scores";
    const std::string note =
        run.note.empty() ? "" : fmt::format("<p class=\"note\">{}</p>\n", escape(run.note));
    out += fmt::format("<article><h3>{}</h3>\n{}{}{}{}{}</article>\n", escape(run.label), note,
                       matrix_table(run, run.scores, caption), other_scores(run), probes_table(run),
                       facts(run));
  }
  return out;
}

// Mean loss of the first and the last tenth of each task's steps: what remains of the curves
// without pictures.
std::string loss_table(const RunData& run) {
  const auto& series = run.curves.series;
  const auto loss = std::find_if(series.begin(), series.end(), [](const Series& s) {
    return s.group == "loss" && s.name == "loss";
  });
  if (loss == series.end()) return {};
  std::string rows;
  const auto& task = run.curves.task_index;
  for (size_t begin = 0; begin < task.size();) {
    size_t end = begin;
    while (end < task.size() && task[end] == task[begin]) ++end;
    const size_t tenth = std::max<size_t>(1, (end - begin) / 10);
    const auto mean = [&](size_t from) {
      double sum = 0;
      for (size_t i = from; i < from + tenth; ++i) sum += loss->values[i];
      return std::isfinite(sum) ? fmt::format("{:.4g}", sum / static_cast<double>(tenth))
                                : std::string("–");
    };
    const auto index = static_cast<size_t>(task[begin]);
    rows += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td "
        "class=\"number\">{}</td></tr>\n",
        index < run.tasks.size() ? escape(run.tasks[index]) : std::to_string(index), mean(begin),
        mean(end - tenth));
    begin = end;
  }
  return fmt::format(
      "<article><h3>{}</h3><table class=\"plain\"><thead><tr><th scope=\"col\">Task</th>"
      "<th scope=\"col\" class=\"number\">Loss at its start</th>"
      "<th scope=\"col\" class=\"number\">Loss at its "
      "end</th></tr></thead><tbody>{}</tbody></table>"
      "</article>\n",
      escape(run.label), rows);
}

std::string without_pictures(const std::vector<RunData>& runs) {
  std::string tables;
  for (const RunData& run : runs) tables += loss_table(run);
  return "<section><h2>Pictures</h2>\n<p class=\"notice\">The pictures of this report (accuracy "
         "over time, loss, "
         "gradients) need Plotly.js, which this build of ilora does not carry: run "
         "scripts/plotly.sh, then configure "
         "and build again.</p>\n" +
         (tables.empty() ? "" : "<div class=\"cards\">" + tables + "</div>\n") + "</section>\n";
}

// ---- Data of the pictures
// -----------------------------------------------------------------------------------------

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

Json scores_json(const ScoreMatrix& scores) {
  Json rows = Json::array();
  for (const auto& row : scores) {
    Json list = Json::array();
    for (const Score& score : row) list.push_back(score ? Json(*score) : Json(nullptr));
    rows.push_back(list);
  }
  return rows;
}

Json curves_json(const Curves& curves) {
  Json series = Json::array();
  for (const Series& s : curves.series)
    series.push_back({{"group", s.group}, {"name", s.name}, {"values", rounded(s.values)}});
  Json steps = Json::array();
  for (const double step : curves.step) steps.push_back(static_cast<int64_t>(step));
  return {{"step", steps},
          {"task_index", curves.task_index},
          {"steps_per_point", curves.steps_per_point},
          {"series", series}};
}

// JSON that is safe inside <script>: no '<', so neither an end tag nor a comment can begin in it.
std::string data_json(std::vector<RunData>& runs, const Json& analyses) {
  size_t series = 0;
  for (const RunData& run : runs) series += run.curves.series.size() + 2;
  const size_t points = std::min(kPointsPerRun, kNumbersPerPage / std::max<size_t>(series, 1));
  Json list = Json::array();
  for (RunData& run : runs) {
    run.curves.thin(std::max<size_t>(points, 1));
    list.push_back({{"label", run.label},
                    {"tasks", run.tasks},
                    {"scores", scores_json(run.scores)},
                    {"curves", curves_json(run.curves)}});
  }
  const Json data = {{"tasks", all_tasks(runs)}, {"runs", list}, {"analyses", analyses}};
  std::string out;
  for (const char c : data.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out;
}

// ---- The page
// -----------------------------------------------------------------------------------------------------

// Replaces each {{name}} of the template once; what is put in is not searched again.
std::string fill(std::string_view page, const std::map<std::string, std::string>& parts) {
  std::string out;
  while (true) {
    const size_t begin = page.find("{{");
    const size_t end = page.find("}}", begin);
    if (begin == std::string_view::npos || end == std::string_view::npos) break;
    const auto part = parts.find(std::string(page.substr(begin + 2, end - begin - 2)));
    ILORA_CHECK(part != parts.end(), "page.html names a part that report.cpp does not know");
    out += page.substr(0, begin);
    out += part->second;
    page.remove_prefix(end + 2);
  }
  return out.append(page);
}

std::string render(std::span<const std::filesystem::path> folders, std::string_view plotly) {
  std::vector<RunData> runs = read_runs({folders.begin(), folders.end()});
  const Json analyses = read_analyses(runs);
  std::string sentences;
  for (const std::string& sentence : summary(runs)) sentences += escape(sentence) + "\n";
  std::map<std::string, std::string> parts = {
      {"title", escape(title(runs))},
      {"summary", sentences},
      {"runs", runs_table(runs) + seeds_table(runs)},
      {"marked", runs.size() > 1 && same_tasks(runs) ? "The best of each column is marked." : ""},
      {"matrices", matrices(runs)},
      {"analyses", analysis_sections(analyses, runs.size() > 1)},
      {"without_pictures", plotly.empty() ? without_pictures(runs) : ""},
      {"css", std::string(page_css())},
      {"js", script(page_js())},
      {"analysis_js", script(analysis_js())},
      {"plotly", script(plotly)},
      {"version", ILORA_VERSION},
  };
  parts["data"] = data_json(runs, analyses);  // last: it thins the curves
  return fill(page_html(), parts);
}

}  // namespace
}  // namespace ilora::report

namespace ilora {

std::string render_report(std::span<const std::filesystem::path> runs, std::string_view plotly) {
  return report::render(runs, plotly);
}

std::string render_report(std::span<const std::filesystem::path> runs) {
  return render_report(runs, report::plotly_js());
}

void write_report(std::span<const std::filesystem::path> runs,
                  const std::filesystem::path& output) {
  write_file_atomic(output, render_report(runs));
}

}  // namespace ilora
