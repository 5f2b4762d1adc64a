#include "report/page_tables.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "report/html.h"
#include "report/words.h"
#include "runs/best_learner.h"
#include "runs/spread.h"

namespace ilora::report {
namespace {

constexpr double kDarkCell = 0.65;  // above this score the other text colour is easier to read

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
  const std::vector<std::string> learners = run.learners();
  if (learners.size() < 2) return {};
  std::string rows, matrices;
  for (const std::string& learner : learners) {
    const ScoreMatrix scores = run.scores_of(learner);
    const auto* row = last_row(scores);
    const Score mean = row != nullptr ? mean_score(*row) : std::nullopt;
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
  for (const ProbeScores& probe : run.probes) {
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

// The keys of results.json's environment, as they stand there.
std::vector<std::pair<std::string, std::string>> facts_of(const Environment& environment) {
  struct Collector {
    std::vector<std::pair<std::string, std::string>> facts;
    void value(const char* key, const std::string& text) { facts.emplace_back(key, text); }
    void value(const char* key, std::optional<int64_t> number) {
      if (number) facts.emplace_back(key, std::to_string(*number));
    }
  };
  Collector collector;
  Environment::visit(collector, environment);
  return collector.facts;
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
  for (const auto& [name, value] : facts_of(run.environment)) add(name, value);
  add("folder", run.folder.lexically_normal().string());
  return out + "</dl>\n";
}

// Mean loss of the first and the last tenth of each task's steps.
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

}  // namespace

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
    body += fmt::format(
        "<tr><th scope=\"row\">{}{}</th><td data-label=\"Seed\">{}</td>", escape(run.method),
        run.unfinished() ? fmt::format(" <small>{}</small>", escape(run.status)) : "",
        run.seed ? run.seed_text() : "–");
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

std::string seeds_table(const std::vector<RunData>& runs) {
  std::string body;
  for (const auto& [method, members] : by_method(runs)) {
    if (members.size() < 2) continue;
    body += fmt::format("<tr><th scope=\"row\">{}</th><td data-label=\"Runs\">{}</td>",
                        escape(method), members.size());
    for (size_t c = 0; c < 4; ++c) {
      const Column& column = columns()[c];
      const auto spread =
          spread_of(members, [&](const RunData* run) { return column.value(*run); });
      body += fmt::format(
          "<td class=\"number\" data-label=\"{}\">{}</td>", column.name,
          spread ? fmt::format("{} ± {:.3f}", column.show(spread->mean), *spread->deviation) : "–");
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

std::string matrices(const std::vector<RunData>& runs) {
  std::string out;
  for (const RunData& run : runs) {
    const bool one_measure =
        !run.measures.empty() &&
        std::ranges::count(run.measures, run.measures.front()) == std::ssize(run.measures);
    const std::string caption =
        one_measure ? "Scores, measured by " + run.measures.front() : "Scores";
    std::string notes;
    for (const std::string& note : {run.note, warning_of_learner(RunFolder(run.folder))})
      if (!note.empty()) notes += fmt::format("<p class=\"note\">{}</p>\n", escape(note));
    out += fmt::format("<article><h3>{}</h3>\n{}{}{}{}{}</article>\n", escape(run.label), notes,
                       matrix_table(run, run.scores, caption), other_scores(run), probes_table(run),
                       facts(run));
  }
  return out;
}

std::string loss_tables(const std::vector<RunData>& runs) {
  std::string tables;
  for (const RunData& run : runs) tables += loss_table(run);
  return tables.empty() ? "" : "<div class=\"cards\">" + tables + "</div>\n";
}

}  // namespace ilora::report
