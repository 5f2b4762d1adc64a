#include "eval/wording.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>

#include "base/error.h"
#include "text/utf8.h"

namespace ilora {
namespace {

bool is_invisible(char32_t c) {
  constexpr std::array<char32_t, 8> kInvisible = {0x00AD, 0x180E, 0x200B, 0x200C,
                                                  0x200D, 0x2060, 0xFEFF, 0x3164};
  return std::ranges::find(kInvisible, c) != kInvisible.end();
}

// What two labels share that a reader takes for one.
std::string reading_of(const std::string& label) {
  std::string seen;
  for (const char32_t c : utf8_characters(normalize_utf8(label, NormalForm::kNfkc))) {
    if (!is_white_space(c) && !is_invisible(c)) append_utf8(seen, c);
  }
  return lower_utf8(seen);
}

std::string quoted(const std::string& label) {
  std::string shown;
  for (const char32_t c : utf8_characters(label)) {
    if (is_invisible(c) || (is_white_space(c) && c != ' ')) {
      shown += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      append_utf8(shown, c);
    }
  }
  return "\"" + shown + "\"";
}

// Labels: answers of which the training rows have few, each several times.
void check_labels(std::vector<Finding>& findings, const TaskText& task) {
  constexpr size_t kMostLabels = 64;
  std::map<std::string, std::map<std::string, std::set<Split>>> spellings;  // of labels: where
  std::set<std::string> learned;
  for (const Example& row : task.train) learned.insert(row.answer);
  if (learned.size() > kMostLabels || learned.size() * 2 > task.train.size()) return;
  each_row(task, [&](Split split, const Example& row, size_t) {
    spellings[reading_of(row.answer)][row.answer].insert(split);
  });
  for (const auto& [reading, labels] : spellings) {
    if (labels.size() < 2) continue;
    std::string list;
    for (const auto& [label, splits] : labels) {
      std::string where;
      for (const Split split : splits) {
        where += where.empty() ? "" : " and ";
        where += split_name(split);
      }
      list += fmt::format("{}{} in {}", list.empty() ? "" : ", ", quoted(label), where);
    }
    findings.push_back({false, "answers differ in space, case or form alone: " + list});
  }
}

void check_marks(std::vector<Finding>& findings, const TaskText& task, const RowPlaces& places,
                 bool parsed) {
  FoundRows marked(places);
  std::string first;
  each_row(task, [&](Split split, const Example& row, size_t i) {
    std::string_view mark = template_mark(row.prompt);
    if (mark.empty()) mark = template_mark(row.answer);
    for (const Turn& turn : row.turns)
      if (mark.empty()) mark = template_mark(turn.content);
    if (mark.empty()) return;
    if (first.empty()) first = mark;
    marked.add(split, row, i);
  });
  const char* what = parsed ? "those that the model's vocabulary has are control tokens there "
                              "(data.special_tokens: parse)"
                            : "they are learned as characters, not as control tokens "
                              "(data.special_tokens: parse makes them control tokens); "
                              "data.template: chat writes the model's own";
  marked.report(findings, false,
                fmt::format("rows write out marks of a chat template such as {}: {}", first, what));
}

void check_sizes(std::vector<Finding>& findings, const TaskText& task) {
  constexpr size_t kFew = 8;
  const size_t rows = task.test.size();
  if (rows == 0 || rows >= kFew) return;
  findings.push_back({false, fmt::format("test.json has {} rows: one answer is {:.0f} % of the "
                                         "score, too coarse to compare by",
                                         rows, 100.0 / static_cast<double>(rows))});
}

}  // namespace

bool looks_empty(std::string_view text) {
  return std::ranges::all_of(utf8_characters(text),
                             [](char32_t c) { return is_white_space(c) || is_invisible(c); });
}

std::string_view template_mark(std::string_view text) {
  constexpr std::array<std::string_view, 6> kMarks = {"[INST]",        "[/INST]", "<start_of_turn>",
                                                      "<end_of_turn>", "<<SYS>>", "<</SYS>>"};
  constexpr std::string_view kName =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  for (size_t at = text.find("<|"); at != text.npos; at = text.find("<|", at + 1)) {
    const size_t end = text.find_first_not_of(kName, at + 2);
    if (end != text.npos && end > at + 2 && text.substr(end, 2) == "|>")
      return text.substr(at, end + 2 - at);
  }
  for (const std::string_view mark : kMarks)
    if (text.find(mark) != text.npos) return mark;
  return {};
}

void check_wording(std::vector<Finding>& findings, const TaskText& task, const RowPlaces& places,
                   bool parsed) {
  check_labels(findings, task);
  check_marks(findings, task, places, parsed);
  check_sizes(findings, task);
}

}  // namespace ilora
