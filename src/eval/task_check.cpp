#include "eval/task_check.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "eval/measures/extract.h"
#include "eval/task_eval.h"
#include "eval/wording.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace ilora {
namespace {

constexpr double kLongAnswer = 60;  // characters: an exact match of such texts tells little

// Of a row, in tokens or characters.
struct Lengths {
  int64_t prompt = 0, answer = 0;
  int64_t learned = 0;  // of the answer, what data.max_answer leaves
  bool cut = false;
};

Lengths lengths_of(const Example& row, Split split, const Encoder* encoder) {
  Lengths lengths;
  if (encoder == nullptr) {
    lengths.prompt = static_cast<int64_t>(utf8_characters(row.prompt).size());
    lengths.answer = static_cast<int64_t>(utf8_characters(row.answer).size());
    return lengths;
  }
  std::vector<int32_t> tokens = encoder->answer(row.answer);
  lengths.prompt = std::ssize(encoder->prompt(row));
  lengths.answer = std::ssize(tokens);
  encoder->cut_answer(tokens);
  lengths.learned = std::ssize(tokens);
  lengths.cut = lengths.prompt + lengths.learned > encoder->max_length();
  const bool refused = lengths.learned >= encoder->max_length();  // check_lengths says so
  if (split != Split::kTrain || row.turns.empty() || refused) return lengths;
  int64_t left_out = 0;
  encoder->encode(row, 0, 0, "it", &left_out);
  lengths.cut = left_out > 0;
  return lengths;
}

void count_turns(SplitCheck& check, const Example& row, bool last_only) {
  if (row.turns.empty()) return;
  ++check.conversations;
  check.learned += std::ssize(learned_answers(row.turns, last_only));
  check.kept_out += std::ranges::count(row.turns, std::optional(false), &Turn::learned);
}

SplitCheck measure_split(const TaskText& task, Split split, const Encoder* encoder,
                         std::vector<Finding>& findings, const RowPlaces& places) {
  SplitCheck check;
  check.split = split_name(split);
  std::set<std::string> prompts;
  FoundRows refused(places);
  const std::vector<Example>& rows = task.split(split);
  for (size_t i = 0; i < rows.size(); ++i) {
    const Example& row = rows[i];
    prompts.insert(prompt_key(row.prompt));
    count_turns(check, row, encoder != nullptr && encoder->last_answer_only());
    ++check.rows;
    Lengths lengths;
    try {
      lengths = lengths_of(row, split, encoder);
    } catch (const Error& e) {
      refused.add(split, row, i, e.what());
      continue;
    }
    check.mean_prompt += static_cast<double>(lengths.prompt);
    check.mean_answer += static_cast<double>(lengths.answer);
    check.longest_prompt = std::max(check.longest_prompt, lengths.prompt);
    check.longest_answer = std::max(check.longest_answer, lengths.answer);
    check.longest_learned = std::max(check.longest_learned, lengths.learned);
    if (lengths.cut) ++check.cut;
  }
  refused.report(findings, true, "rows cannot be learned");
  check.prompts = static_cast<int64_t>(prompts.size());
  check.mean_prompt /= static_cast<double>(std::max<int64_t>(check.rows, 1));
  check.mean_answer /= static_cast<double>(std::max<int64_t>(check.rows, 1));
  return check;
}

void check_conversations(TaskCheck& check, const Encoder* encoder) {
  bool any = false;
  for (const SplitCheck& split : check.splits) {
    if (split.conversations == 0) continue;
    any = true;
    const bool learning = split.split == std::string("train");
    check.findings.push_back(
        {false, fmt::format("{} of {} rows of {}.json are conversations{}", split.conversations,
                            split.rows, split.split,
                            learning ? fmt::format(": {} answers are learned, {} are taken out by "
                                                   "their rows",
                                                   split.learned, split.kept_out)
                                     : ": their last answers are scored")});
  }
  if (any && encoder == nullptr)
    check.findings.push_back({false,
                              "conversations need data.template: chat, and a model with a "
                              "chat template (--model and --template chat look)"});
}

void check_lengths(TaskCheck& check) {
  for (const SplitCheck& split : check.splits) {
    if (split.cut > 0) {
      check.findings.push_back(
          {false,
           fmt::format(
               "{} of {} rows of {}.json are longer than {} tokens: their prompts are "
               "cut from the left{}, their answers kept",
               split.cut, split.rows, split.split, check.limit,
               split.conversations > 0 ? " (conversations lose their earliest turns)" : "")});
    }
    if (check.limit > 0 && split.longest_learned >= check.limit) {
      check.findings.push_back(
          {split.split == "train",
           fmt::format("an answer of {}.json has {} tokens and rows hold {}: such rows are refused "
                       "unless data.max_answer (--max-answer) cuts them",
                       split.split, split.longest_learned, check.limit)});
    }
  }
}

void check_repeats(TaskCheck& check, const TaskText& task, const RowPlaces& places) {
  struct Seen {
    Split split;
    std::string answer;
  };
  std::map<std::string, Seen> first;    // by prompt
  std::map<std::string, Split> taught;  // what stands before any answer that is learned
  std::map<Split, int64_t> repeats;
  FoundRows contradictions(places), leaks(places);
  each_row(task, [&](Split split, const Example& row, size_t i) {
    const std::vector<std::string> keys = prompt_keys(row);
    const auto before = taught.find(keys.back());
    if (before != taught.end() && before->second != split)
      leaks.add(split, row, i, fmt::format("also in {}.json", split_name(before->second)));
    for (const std::string& key : keys) taught.try_emplace(key, split);
    const auto [at, fresh] = first.try_emplace(keys.back(), Seen{split, row.answer});
    if (fresh || at->second.split != split) return;
    ++repeats[split];
    if (at->second.answer != row.answer) contradictions.add(split, row, i);
  });
  leaks.report(check.findings, true, "rows repeat a prompt of another split");
  for (const auto& [split, count] : repeats) {
    check.findings.push_back({false, fmt::format("{} rows of {}.json repeat a prompt of that split",
                                                 count, split_name(split))});
  }
  contradictions.report(check.findings, false, "rows repeat a prompt with another answer");
}

// The texts that people wrote in a row.
std::vector<const std::string*> texts_of(const Example& row) {
  if (row.turns.empty()) return {&row.prompt, &row.answer};
  std::vector<const std::string*> texts;
  for (const Turn& turn : row.turns)
    texts.push_back(turn.content.empty() && !turn.more.empty() ? &turn.more : &turn.content);
  return texts;
}

void check_texts(TaskCheck& check, const TaskText& task, const RowPlaces& places) {
  FoundRows empty(places), replaced(places), twice(places);
  each_row(task, [&](Split split, const Example& row, size_t i) {
    const auto texts = texts_of(row);
    const auto blank =
        std::ranges::find_if(texts, [](const std::string* text) { return looks_empty(*text); });
    if (blank != texts.end()) {
      const auto place = blank - texts.begin();
      empty.add(split, row, i,
                !row.turns.empty() ? fmt::format("turn {}", place)
                                   : std::string(place == 0 ? "prompt" : "answer"));
    }
    for (const std::string* text : texts) {
      if (text->find("\xef\xbf\xbd") != std::string::npos) {
        replaced.add(split, row, i);
        break;
      }
      if (looks_decoded_twice(*text)) {
        twice.add(split, row, i);
        break;
      }
    }
  });
  empty.report(check.findings, true,
               "rows have an empty text, or one of white space and invisible characters");
  replaced.report(check.findings, false, "rows hold U+FFFD: bytes of another encoding were lost");
  twice.report(
      check.findings, false,
      "rows look like UTF-8 that was read as Latin-1 (\"Ã¼\" for \"ü\") and written again");
}

void check_answers(TaskCheck& check, const TaskText& task, const RowPlaces& places) {
  plan_task_eval(task, Split::kTrain, "generated");  // throws where task.yaml names no measure
  FoundRows misfits(places), wordy(places);
  double characters = 0, rows = 0;
  for (const Split split : {Split::kTrain, Split::kEval, Split::kTest}) {
    if (task.split(split).empty()) continue;
    const TaskEval eval = plan_task_eval(task, split, "auto");
    check.measure = eval.measure->name;
    if (split == Split::kTrain && eval.measure->needs_options && eval.options.size() < 2)
      check.findings.push_back({true, "there is one answer only: nothing to choose from"});
    const bool number = check.measure.starts_with("number");
    for (size_t i = 0; i < eval.rows.size(); ++i) {
      const Example& row = eval.rows[i];
      if (const std::string problem = misfit(eval, row); !problem.empty())
        misfits.add(split, row, i, problem);
      if (number && first_number(row.answer).empty()) wordy.add(split, row, i);
      characters += static_cast<double>(row.answer.size());
      rows += 1;
    }
  }
  misfits.report(check.findings, true, "answers do not fit the measure " + check.measure);
  wordy.report(check.findings, false, "answers hold no number: they are compared as texts");
  if (check.measure == "exact" && task.definition.measure == "auto" &&
      characters > kLongAnswer * rows) {
    check.findings.push_back(
        {false,
         fmt::format("no measure is named, and equality with texts of {:.0f} bytes on average "
                     "tells little: name one in task.yaml (rouge-l, token-f1, …)",
                     characters / rows)});
  }
}

}  // namespace

bool TaskCheck::failed() const {
  return std::ranges::any_of(findings, &Finding::error);
}

TaskCheck check_task(const TaskText& task, const Encoder* encoder, const RowPlaces& places) {
  TaskCheck check;
  check.name = task.name;
  check.unit = encoder != nullptr ? "tokens" : "characters";
  check.limit = encoder != nullptr ? encoder->max_length() : 0;
  for (const Split split : {Split::kTrain, Split::kEval, Split::kTest}) {
    if (!task.split(split).empty())
      check.splits.push_back(measure_split(task, split, encoder, check.findings, places));
  }
  check_conversations(check, encoder);
  check_texts(check, task, places);
  check_wording(check.findings, task, places);
  check_answers(check, task, places);
  check_repeats(check, task, places);
  check_lengths(check);
  return check;
}

TaskCheck check_folder(const std::filesystem::path& folder, const Encoder* encoder) {
  try {
    return check_task(read_task(folder), encoder);
  } catch (const Error& e) {
    TaskCheck check;
    check.name = task_name(folder);
    check.findings.push_back(
        {true, e.hint().empty() ? e.what() : fmt::format("{}: {}", e.what(), e.hint())});
    return check;
  }
}

}  // namespace ilora
