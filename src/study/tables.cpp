#include "study/tables.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace ilora {
namespace {

// How a format writes what all tables have in common.
struct Style {
  std::string plus_minus, minus, missing, separator, begin, end;
  std::string (*text)(const std::string&);
  std::string (*number)(const std::string& shown, bool best);
};

std::string markdown_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '*' || c == '_' || c == '`' || c == '\\' || c == '<') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string latex_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\textbackslash{}";
        break;
      case '~':
        out += "\\textasciitilde{}";
        break;
      case '^':
        out += "\\textasciicircum{}";
        break;
      case '&':
      case '%':
      case '$':
      case '#':
      case '_':
      case '{':
      case '}':
        out += '\\';
        out += c;
        break;
      default:
        out += c == '\n' ? ' ' : c;
    }
  }
  return out;
}

const Style& markdown() {
  static const Style style = {
      " ± ", "−", "–", " | ", "| ", " |\n", markdown_text, [](const std::string& shown, bool best) {
        return best ? "**" + shown + "**" : shown;
      }};
  return style;
}

const Style& latex() {
  static const Style style = {" \\pm ",
                              "-",
                              "--",
                              " & ",
                              "",
                              " \\\\\n",
                              latex_text,
                              [](const std::string& shown, bool best) {
                                return best ? "$\\mathbf{" + shown + "}$" : "$" + shown + "$";
                              }};
  return style;
}

std::string fixed(double value, int decimals, const Style& style) {
  const std::string digits = fmt::format("{:.{}f}", std::abs(value), decimals);
  const bool zero = digits.find_first_not_of("0.") == std::string::npos;
  return value < 0 && !zero ? style.minus + digits : digits;
}

std::string value_text(const std::optional<Spread>& value, const ComparedColumn& column, bool best,
                       const Style& style) {
  if (!value) return style.missing;
  std::string shown = fixed(value->mean, column.decimals, style);
  if (value->deviation)
    shown += style.plus_minus + fixed(*value->deviation, column.decimals, style);
  return style.number(shown, best);
}

using TextRow = std::vector<std::string>;

std::string row_text(const TextRow& cells, const Style& style) {
  return style.begin + fmt::format("{}", fmt::join(cells, style.separator)) + style.end;
}

// The first row is the head.
std::vector<TextRow> score_rows(const Comparison& c, const Style& style) {
  std::vector<TextRow> rows(1, {"method", "seeds"});
  for (const ComparedColumn& column : c.columns) rows[0].push_back(style.text(column.name));
  for (const ComparedMethod& m : c.methods) {
    TextRow& row = rows.emplace_back(TextRow{style.text(m.name()), std::to_string(m.seeds.size())});
    for (size_t i = 0; i < c.columns.size(); ++i)
      row.push_back(value_text(m.values[i], c.columns[i], m.best[i], style));
  }
  return rows;
}

std::string p_text(double p) {
  return p < 0.001 ? "< 0.001" : fmt::format("{:.3f}", p);
}

constexpr const char* kPHead = "p (seeds that agree)";

// Results of earlier versions, and runs of one task, have no rows to tell the transfer's interval.
bool has_transfer(const Comparison& c) {
  return std::any_of(c.methods.begin(), c.methods.end(), [](const ComparedMethod& m) {
    return m.difference && m.difference->backward_transfer.interval;
  });
}

// `missing` stands where there is no interval.
void append_difference(TextRow& row, const MethodDifference::Value& value, int64_t seeds,
                       const std::string& missing, const Style& style) {
  if (!value.interval) {
    row.insert(row.end(), {missing, style.missing, style.missing});
    return;
  }
  const auto number = [&](double x) { return fixed(x, 3, style); };
  const Interval& i = *value.interval;
  for (const std::string& shown : {number(i.difference), number(i.low) + ", " + number(i.high),
                                   fmt::format("{} ({}/{})", p_text(i.p), i.agreeing, seeds)})
    row.push_back(style.number(shown, false));
}

std::vector<TextRow> difference_rows(const Comparison& c, const Style& style) {
  const bool transfer = has_transfer(c);
  std::vector<TextRow> rows(1, {"method", "seeds"});
  const auto head = [&](const char* measure) {
    for (const std::string& text : {fmt::format("{} minus {}'s", measure, c.against),
                                    std::string("95 % interval"), std::string(kPHead)})
      rows[0].push_back(style.text(text));
  };
  head("average accuracy");
  if (transfer) head("backward transfer");
  for (const ComparedMethod& m : c.methods) {
    if (!m.difference) continue;
    TextRow& row =
        rows.emplace_back(TextRow{style.text(m.name()), std::to_string(m.difference->seeds)});
    const MethodDifference::Value& accuracy = m.difference->average_accuracy;
    const MethodDifference::Value& moved = m.difference->backward_transfer;
    append_difference(row, accuracy, m.difference->seeds, style.text(accuracy.missing), style);
    if (transfer)
      append_difference(row, moved, m.difference->seeds, style.text(moved.missing), style);
  }
  return rows;
}

std::string markdown_table(const std::vector<TextRow>& rows) {
  std::string out = row_text(rows.front(), markdown()) + "|---";
  for (size_t i = 1; i < rows.front().size(); ++i) out += "|---:";
  out += "|\n";
  for (size_t r = 1; r < rows.size(); ++r) out += row_text(rows[r], markdown());
  return out;
}

std::string latex_table(const std::vector<TextRow>& rows) {
  std::string out = fmt::format("\\begin{{tabular}}{{l{}}}\n\\hline\n",
                                std::string(rows.front().size() - 1, 'r'));
  for (size_t r = 0; r < rows.size(); ++r)
    out += row_text(rows[r], latex()) + (r == 0 ? "\\hline\n" : "");
  return out + "\\hline\n\\end{tabular}\n";
}

std::string how_differences_are_made(const Comparison& c) {
  return fmt::format(
      "Differences to {}, over the seeds that both finished. Intervals and p come from a paired "
      "bootstrap over {} rows and seeds ({} resamples), in brackets how many of the seeds differ "
      "in that direction: two or three seeds tell little of others, however small p is.",
      c.against, c.split.empty() ? "scored" : c.split, c.bootstrap.resamples);
}

std::string what_is_retained(const Comparison& c) {
  if (c.taught->empty())
    return "On none of these tasks is `one` above `constant` by more than noise: nothing here "
           "tells of "
           "learning.";
  return fmt::format(
      "Share retained: of what `one` gains over `constant`, on the tasks where it gains by "
      "more than noise ({}).",
      fmt::join(*c.taught, ", "));
}

}  // namespace

std::string comparison_markdown(const Comparison& c) {
  std::string out;
  if (!c.model.empty())
    out += fmt::format(
        "{}{}. Mean ± standard deviation over seeds; task columns are final scores on "
        "the {} splits, after the last task{}. **Bold**: the best.\n\n",
        markdown_text(c.model), c.cpu.empty() ? "" : " on " + markdown_text(c.cpu),
        c.split.empty() ? "scored" : c.split,
        c.tasks.size() < c.tasks_learned
            ? fmt::format(", of {} of the {} tasks learned", c.tasks.size(), c.tasks_learned)
            : "");
  out += markdown_table(score_rows(c, markdown()));
  if (c.taught) out += fmt::format("\n{}\n", what_is_retained(c));
  if (c.methods.size() > 1)
    out += fmt::format("\n{}\n\n{}", how_differences_are_made(c),
                       markdown_table(difference_rows(c, markdown())));
  std::string failures;
  for (const ComparedMethod& m : c.methods)
    for (const auto& failure : m.failures)
      failures += fmt::format("- {}, seed {}: {}\n", markdown_text(m.method), failure.seed,
                              markdown_text(failure.error));
  if (!failures.empty()) out += "\nCells without a result:\n\n" + failures;
  return out;
}

std::string comparison_latex(const Comparison& c) {
  std::string out = "% Written by ilora. Mean and standard deviation over seeds.\n" +
                    latex_table(score_rows(c, latex()));
  if (c.methods.size() > 1)
    out += "\n% " + how_differences_are_made(c) + "\n" + latex_table(difference_rows(c, latex()));
  return out;
}

}  // namespace ilora
