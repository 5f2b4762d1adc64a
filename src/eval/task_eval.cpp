#include "eval/task_eval.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "eval/measures/extract.h"
#include "text/utf8.h"

namespace ilora {
namespace {

constexpr size_t kMostOptions = 20;

// The different answers of all splits: as they were read, or (a task that was made here) of the
// rows.
std::vector<std::string> answers_of(const TaskText& task) {
  if (!task.answers.empty()) return task.answers;
  std::set<std::string> answers;
  for (const auto* rows : {&task.train, &task.eval, &task.test}) {
    for (const Example& row : *rows) answers.insert(row.answer);
  }
  return {answers.begin(), answers.end()};
}

const Measure& guess_measure(const TaskText& task, const std::vector<std::string>& answers,
                             bool generated) {
  if (!task.definition.options.empty() || answers.size() <= kMostOptions)
    return find_measure(generated ? "choice-generated" : "choice");
  // Of a conversation an answer in other words may be as good.
  const bool talk =
      std::ranges::any_of(task.train, [](const Example& row) { return !row.turns.empty(); });
  const bool numbers = std::ranges::all_of(
      answers, [](const std::string& answer) { return !number_strict(answer).empty(); });
  if (talk && !numbers) return find_measure(generated ? "rouge-l" : "likelihood");
  return find_measure(numbers ? "number" : "exact");
}

const Measure& measure_of(const TaskText& task, const std::string& asked,
                          const std::vector<std::string>& answers) {
  const bool generated = asked == "generated";
  const std::string own = generated ? task.definition.generated : task.definition.measure;
  if (!generated && asked != "auto") return find_measure(asked);
  if (own == "auto") return guess_measure(task, answers, generated);
  try {
    return find_measure(own);
  } catch (const Error& e) {
    throw Error(e.kind(),
                fmt::format("{} ({} in {}/task.yaml)", e.what(),
                            generated ? "generated" : "measure", task.name),
                e.hint());
  }
}

// A, B, …: as many as the row with the longest list offers.
std::vector<std::string> letters_of(const std::vector<Example>& rows) {
  size_t most = 0;
  for (const Example& row : rows) most = std::max(most, letters_offered(row.prompt));
  std::vector<std::string> letters;
  for (size_t i = 0; i < most; ++i) letters.emplace_back(1, static_cast<char>('A' + i));
  return letters;
}

std::string shortened(const std::string& text) {
  constexpr size_t kShown = 60;
  return text.size() <= kShown ? text
                               : text.substr(0, utf8_complete_prefix({text.data(), kShown})) + "…";
}

void require_options(const TaskEval& eval) {
  if (eval.options.size() < 2) {
    throw Error(ErrorKind::kData,
                fmt::format("[eval] task {} has {}: nothing to choose from", eval.name,
                            eval.measure->by_letter ? "no prompt that lists options A., B., …"
                                                    : "one answer only"),
                "Set its measure to exact, or add rows with other answers.");
  }
  for (size_t i = 0; i < eval.rows.size(); ++i) {
    const std::string problem = misfit(eval, eval.rows[i]);
    if (problem.empty()) continue;
    throw Error(ErrorKind::kData, fmt::format("[eval] {} ({})", problem, eval.where(i)),
                "Correct the row, or say how the task is measured: measure and options in its "
                "task.yaml, or eval.measures. `ilora data check` lists all such rows.");
  }
}

}  // namespace

std::string TaskEval::where(size_t i) const {
  return fmt::format("row {} of {}/{}.json", row_number(rows[i], i), name, split_name(split));
}

std::ptrdiff_t TaskEval::offered(size_t i) const {
  const size_t all = options.size();
  return static_cast<std::ptrdiff_t>(
      measure->by_letter ? std::min(letters_offered(rows[i].prompt), all) : all);
}

std::string TaskEval::right_option(size_t i) const {
  return measure->by_letter ? rows[i].answer.substr(0, 1) : rows[i].answer;
}

std::string misfit(const TaskEval& task, const Example& row) {
  if (task.measure->by_letter) {
    const size_t offered = letters_offered(row.prompt);
    const auto letter = static_cast<size_t>(row.answer.empty() ? '\0' : row.answer[0] - 'A');
    if (offered < 2) return "the prompt lists no options A., B., …";
    if (letter >= offered)
      return fmt::format(
          "the answer '{}' does not begin with one of the {} letters that the prompt "
          "lists",
          shortened(row.answer), offered);
    return {};
  }
  if (task.measure->needs_options &&
      std::ranges::find(task.options, row.answer) == task.options.end()) {
    return fmt::format("the answer '{}' is not among the options {}", shortened(row.answer),
                       fmt::join(task.options, ", "));
  }
  return {};
}

TaskEval plan_task_eval(const TaskText& task, Split split, const std::string& measure) {
  TaskEval eval;
  eval.name = task.name;
  eval.split = split;
  eval.rows = task.split(split);
  eval.max_new_tokens = task.new_tokens(0);
  const std::vector<std::string> answers = answers_of(task);
  eval.measure = &measure_of(task, measure, answers);
  if (eval.measure->by_letter) {
    eval.options = letters_of(eval.rows);
  } else if (eval.measure->needs_options) {
    eval.options = task.definition.options.empty() ? answers : task.definition.options;
  }
  return eval;
}

TaskEval make_task_eval(const TaskText& task, Split split, const std::string& measure) {
  TaskEval eval = plan_task_eval(task, split, measure);
  if (eval.rows.empty()) {
    throw Error(
        ErrorKind::kData,
        fmt::format("[eval] task {} has no rows in its {} split", task.name, split_name(split)),
        "Add the file, or choose the other split.");
  }
  if (eval.measure->by_letter || eval.measure->needs_options) require_options(eval);
  return eval;
}

}  // namespace ilora
