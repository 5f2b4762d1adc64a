#include "eval/task_eval.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string_view>

#include "base/error.h"

namespace ilora {
namespace {

constexpr std::array kMeasures = {Measure::kChoice, Measure::kChoiceGenerated, Measure::kExact,
                                  Measure::kNumber};
constexpr size_t kMostOptions = 20;

// The white space characters of Unicode beyond ASCII that texts end with.
constexpr std::array<std::string_view, 4> kWideSpaces = {"\u00a0", "\u3000", "\u2003", "\ufeff"};

bool digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

const char* measure_name(Measure measure) {
  switch (measure) {
    case Measure::kChoice:
      return "choice";
    case Measure::kChoiceGenerated:
      return "choice-generated";
    case Measure::kExact:
      return "exact";
    case Measure::kNumber:
      return "number";
  }
  return "?";
}

Measure parse_measure(const std::string& name) {
  std::string known;
  for (const Measure m : kMeasures) {
    if (name == measure_name(m)) return m;
    known += std::string(", ") + measure_name(m);
  }
  throw Error(ErrorKind::kUsage, fmt::format("[eval] there is no measure '{}'", name),
              "Choose one of: auto" + known + ".");
}

std::string trimmed(const std::string& text) {
  std::string_view t = text;
  for (bool cut = true; cut;) {
    cut = false;
    while (!t.empty() && std::isspace(static_cast<unsigned char>(t.front())) != 0)
      t.remove_prefix(1), cut = true;
    while (!t.empty() && std::isspace(static_cast<unsigned char>(t.back())) != 0)
      t.remove_suffix(1), cut = true;
    for (const std::string_view space : kWideSpaces) {
      if (t.starts_with(space)) t.remove_prefix(space.size()), cut = true;
      if (t.ends_with(space)) t.remove_suffix(space.size()), cut = true;
    }
  }
  return std::string(t);
}

std::string first_number(const std::string& text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (!digit(text[i])) continue;
    std::string number = i > 0 && text[i - 1] == '-' ? "-" : "";
    bool point = false;
    for (size_t j = i; j < text.size(); ++j) {
      const bool more = j + 1 < text.size() && digit(text[j + 1]);
      if (digit(text[j])) {
        number += text[j];
      } else if (text[j] == '.' && !point && more) {
        number += '.';
        point = true;
      } else if (text[j] != ',' || point || !more) {
        break;
      }
    }
    return number;
  }
  return {};
}

TaskEval make_task_eval(const TaskText& task, Split split, const std::string& measure) {
  TaskEval eval;
  eval.name = task.name;
  eval.rows = task.split(split);
  std::set<std::string> answers;
  bool numbers = true;
  for (const auto* rows : {&task.train, &task.eval, &task.test}) {
    for (const Example& row : *rows) {
      answers.insert(row.answer);
      numbers = numbers && first_number(row.answer) == trimmed(row.answer) && !row.answer.empty();
    }
  }
  if (measure != "auto") {
    eval.measure = parse_measure(measure);
  } else if (answers.size() <= kMostOptions) {
    eval.measure = Measure::kChoice;
  } else {
    eval.measure = numbers ? Measure::kNumber : Measure::kExact;
  }
  if (eval.measure == Measure::kChoice || eval.measure == Measure::kChoiceGenerated) {
    eval.options.assign(answers.begin(), answers.end());
    if (eval.options.size() < 2) {
      throw Error(
          ErrorKind::kData,
          fmt::format("[eval] task {} has one answer only: nothing to choose from", task.name),
          "Set its measure to exact, or add rows with other answers.");
    }
  }
  return eval;
}

}  // namespace ilora
