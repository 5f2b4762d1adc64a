#include "data/import/originals.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/error.h"

namespace ilora {
namespace {

using Records = std::span<const Record>;

std::string letter(size_t index) {
  return std::string(1, static_cast<char>('A' + index));
}

void add(OriginalRows& rows, const Record& record, std::string prompt, std::string answer,
         std::string split = {}) {
  ImportedRow& row = rows.emplace_back();
  row.record = &record;
  row.example.prompt = std::move(prompt);
  row.example.answer = std::move(answer);
  row.split = std::move(split);
}

// The letter of a label in a list of its names.
std::string letter_of(const Record& record, const std::string& field,
                      const std::vector<std::string>& names) {
  const std::string label = record.text(field);
  const auto found = std::ranges::find(names, label);
  if (found != names.end()) return letter(static_cast<size_t>(found - names.begin()));
  fail_record(record,
              fmt::format("one of {} in \"{}\", got '{}'", fmt::join(names, ", "), field, label));
}

// An index of a list of `count` things, as a number or the text of one.
size_t index_of(const Record& record, const std::string& field, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (record.text(field) == std::to_string(i)) return i;
  }
  fail_record(record,
              fmt::format("0 to {} in \"{}\", got '{}'", count - 1, field, record.text(field)));
}

// The texts in a value: a text, or lists and objects of them; null gives none.
void collect(const Json& value, std::vector<std::string>& texts) {
  if (value.is_string()) texts.push_back(value.get<std::string>());
  if (!value.is_structured()) return;
  for (const Json& part : value) collect(part, texts);
}

std::string joined_text(const Record& record, const std::string& field) {
  std::vector<std::string> texts;
  collect(record.at(field), texts);
  std::erase(texts, "");
  return fmt::format("{}", fmt::join(texts, " "));
}

// The texts of a list of choices, numbers as JSON writes them.
std::vector<std::string> choices_of(const Record& record, const std::string& field) {
  const Json& list = record.at(field);
  if (!list.is_array() || list.empty())
    fail_record(record, fmt::format("a list of choices in \"{}\"", field));
  std::vector<std::string> choices;
  for (const Json& choice : list) {
    const Record one{Json::object({{field, choice}}), record.where};
    choices.push_back(one.text(field));
  }
  return choices;
}

// The first of several names under which releases keep the same thing; empty where it has no text.
std::string first_of(const Record& record, std::initializer_list<const char*> fields) {
  for (const char* field : fields) {
    if (record.fields.contains(field)) return joined_text(record, field);
  }
  record.at(*fields.begin());  // says what is missing
  return {};
}

// ScienceQA's own name of a record's split; empty where it has none.
std::string split_of(const Record& record) {
  const std::string split = record.text_or_nothing("split");
  if (split == "val") return "eval";
  if (!split.empty() && split != "train" && split != "test")
    fail_record(record, fmt::format("train, val or test in \"split\", got '{}'", split));
  return split;
}

OriginalRows numglue(Records records, const std::string& type) {
  OriginalRows rows;
  for (const Record& record : records) {
    if (record.text("type") != type) continue;
    add(rows, record,
        "Solve the following math problem.\nQuestion:\n" + record.text("question") + "\nAnswer:",
        record.text("answer"));
  }
  return rows;
}

// Whether the right options of a file of MedMCQA count from 1 (the release) or from 0 (its copy on
// the Hugging Face hub); unknown where neither a 0 nor a 4 tells.
std::optional<size_t> first_option(Records records) {
  for (const Record& record : records) {
    if (record.text("cop") == "0") return 0;
    if (record.text("cop") == "4") return 1;
  }
  return std::nullopt;
}

}  // namespace

OriginalRows c_stance(Records records, const ImportTemplates&) {
  OriginalRows rows;
  for (const Record& record : records) {
    if (record.text_or_nothing("In Use") == "0") continue;
    add(rows, record,
        "判断以下文本对指定对象的态度，选择一项：A.支持，B.反对，C."
        "中立。输出A，B或者C。\n文本：\n" +
            record.text("Text") + "\n对象：\n" + record.text("Target 1") + "\n态度：",
        letter_of(record, "Stance 1", {"支持", "反对", "中立"}));
  }
  return rows;
}

OriginalRows fomc(Records records, const ImportTemplates&) {
  OriginalRows rows;
  for (const Record& record : records) {
    add(rows, record,
        "What is the monetary policy stance for the following text? A. dovish, B. "
        "hawkish, C. neutral. Choose one from A, B and C.\nText:\n" +
            record.text("sentence") + "\nStance:",
        letter(index_of(record, "label", 3)));
  }
  return rows;
}

OriginalRows meetingbank(Records records, const ImportTemplates&) {
  OriginalRows rows;
  for (const Record& record : records) {
    const std::string transcript = first_of(record, {"transcript", "source"});
    if (transcript.empty()) fail_record(record, "a text in \"transcript\"");
    add(rows, record,
        "Write a summary of the following meeting transcripts.\nMeeting transcripts:\n" +
            transcript + "\nSummary:",
        first_of(record, {"summary", "reference"}));
  }
  return rows;
}

OriginalRows scienceqa(Records records, const ImportTemplates&) {
  OriginalRows rows;
  for (const Record& record : records) {
    if (!record.text_or_nothing("image").empty()) continue;
    const std::vector<std::string> choices = choices_of(record, "choices");
    const std::string hint = record.text_or_nothing("hint");
    std::string prompt = "Choose an answer for the following question and give your reasons.\n\n";
    prompt += "Question:\n" + record.text("question") + "\n\n";
    if (!hint.empty()) prompt += "Hint:\n" + hint + "\n\n";
    prompt += "Choices:\n";
    for (size_t i = 0; i < choices.size(); ++i) prompt += letter(i) + ". " + choices[i] + "\n";
    std::string answer = letter(index_of(record, "answer", choices.size())) + "\n";
    answer += record.text_or_nothing("lecture") + record.text_or_nothing("solution");
    add(rows, record, prompt + "\nAnswer:", std::move(answer), split_of(record));
  }
  return rows;
}

OriginalRows numglue_cm(Records records, const ImportTemplates&) {
  return numglue(records, "Type_1");
}

OriginalRows numglue_ds(Records records, const ImportTemplates&) {
  return numglue(records, "Type_2");
}

OriginalRows twenty_minuten(Records records, const ImportTemplates&) {
  OriginalRows rows;
  for (const Record& record : records) {
    const std::string article = first_of(record, {"content", "article", "original"});
    const std::string simple = first_of(record, {"summary", "simplification", "simplified"});
    if (article.empty() || simple.empty()) continue;
    add(rows, record,
        "Provide a simplified version of the following paragraph in German.\n\nParagraph:"
        "\n" +
            article + "\n\nSimplification:",
        simple + "\n");
  }
  return rows;
}

OriginalRows medmcqa(Records records, const ImportTemplates&) {
  OriginalRows rows;
  const std::optional<size_t> first = first_option(records);
  const auto unanswered = [](const Record& record) { return record.text("cop") == "-1"; };
  if (!records.empty() && std::ranges::all_of(records, unanswered)) {
    fail_record(records.front(), "a row with its right option: \"cop\" is -1 in all of them",
                "The released test split has no answers; give the dev split by --test.");
  }
  if (!records.empty() && !first) {
    fail_record(records.front(),
                "a row whose \"cop\" is 0 or 4: whether options count from 0 or 1 "
                "cannot be told",
                "Import a larger part of the file.");
  }
  for (const Record& record : records) {
    if (record.text("choice_type") != "single") continue;
    const size_t right = index_of(record, "cop", 5);
    if (right < *first || right - *first > 3) fail_record(record, "one of four options in \"cop\"");
    add(rows, record,
        "Solve the following medical problem by choosing the correct answer from "
        "following four choices.\nQuestion:\n" +
            record.text("question") + "\nChoices: \nA." + record.text("opa") + ", B." +
            record.text("opb") + ", C." + record.text("opc") + ", D." + record.text("opd") +
            "\n Answer:",
        letter(right - *first));
  }
  return rows;
}

OriginalRows jec_qa(Records records, const ImportTemplates&) {
  OriginalRows rows;
  for (const Record& record : records) {
    std::vector<std::string> right;
    collect(record.at("answer"), right);
    if (right.size() != 1) continue;
    if (right.front().size() != 1 || right.front() < "A" || right.front() > "D")
      fail_record(record, fmt::format("a letter A to D in \"answer\", got '{}'", right.front()));
    const Record options{record.at("option_list"), record.where};
    if (!options.fields.is_object()) fail_record(record, "options by their letters in option_list");
    std::string prompt = "根据以下法律问题，从选项A，B，C，D中选择一项正确的答案\n问题：" +
                         record.text("statement") + "\n选项: \n";
    for (const char* name : {"A", "B", "C", "D"})
      prompt += fmt::format("{}{}. {}", *name == 'A' ? "" : "，", name, options.text(name));
    add(rows, record, prompt + "\n 答案:", right.front());
  }
  return rows;
}

}  // namespace ilora
