#include "data/import/formats.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/listed.h"
#include "data/import/originals.h"

namespace ilora {
namespace {

// "{name}" by the record's field, "\n" by a line break, "{{" by "{".
std::string filled(const std::string& text, const Record& record) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "\\n") == 0) {
      out += '\n';
      ++i;
    } else if (text.compare(i, 2, "{{") == 0) {
      out += '{';
      ++i;
    } else if (text[i] == '{') {
      const size_t end = text.find('}', i);
      if (end == std::string::npos) {
        throw Error(ErrorKind::kUsage,
                    fmt::format("[data] '{}' opens a field and does not close it", text),
                    "Write {name} for a field and {{ for a brace.");
      }
      out += record.text(text.substr(i + 1, end - i - 1));
      i = end;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<ImportedRow> by_templates(std::span<const Record> records,
                                      const ImportTemplates& templates) {
  std::vector<ImportedRow> rows;
  for (const Record& record : records)
    rows.push_back({{filled(templates.prompt, record), filled(templates.answer, record)}, &record});
  return rows;
}

// Stanford Alpaca: instruction, input (may be empty), output.
std::vector<ImportedRow> alpaca(std::span<const Record> records, const ImportTemplates&) {
  std::vector<ImportedRow> rows;
  for (const Record& record : records) {
    const std::string input = record.text_or_nothing("input");
    rows.push_back({{record.text("instruction") + (input.empty() ? "" : "\n" + input) + "\n",
                     record.text("output")},
                    &record});
  }
  return rows;
}

// Whether what somebody says in a conversation is an answer to be learned.
bool answers(const Record& turn, const std::string& who) {
  constexpr std::array kAnswering = {"gpt", "assistant", "chatgpt", "bing", "bard", "model"};
  constexpr std::array kAsking = {"human", "user", "system", "tool", "function", "observation"};
  if (std::ranges::find(kAnswering, who) != kAnswering.end()) return true;
  if (std::ranges::find(kAsking, who) != kAsking.end()) return false;
  fail_record(turn, fmt::format("one of {} (who answer) or {}, got '{}'",
                                fmt::join(kAnswering, ", "), fmt::join(kAsking, ", "), who));
}

// ShareGPT's "conversations" of {"from","value"}, or "messages" of {"role","content"}: a row for
// each answer, whose prompt is all that was said before.
std::vector<ImportedRow> conversations(std::span<const Record> records, const ImportTemplates&) {
  std::vector<ImportedRow> rows;
  for (const Record& record : records) {
    const bool messages = record.fields.contains("messages");
    const Json& turns = record.at(messages ? "messages" : "conversations");
    if (!turns.is_array()) fail_record(record, "a list of turns");
    std::string before;
    for (const Json& fields : turns) {
      const Record turn{fields, record.where};
      const std::string who = turn.text(messages ? "role" : "from");
      const std::string said = turn.text(messages ? "content" : "value");
      // What begins a conversation answers nothing.
      if (answers(turn, who) && !before.empty()) rows.push_back({{before, said}, &record});
      before += said + "\n\n";
    }
  }
  return rows;
}

const std::array kFormats = {
    ImportFormat{"trace", "folders of TRACE: {\"prompt\", \"answer\"}", "", true, by_templates},
    ImportFormat{"json", "JSON lists or JSON lines; --prompt and --answer name the fields", "",
                 true, by_templates},
    ImportFormat{"csv", "tables with a header; --prompt and --answer name the columns", "", true,
                 by_templates},
    ImportFormat{"alpaca", "\"instruction\", \"input\", \"output\"", "", false, alpaca},
    ImportFormat{"sharegpt", "\"conversations\" (or \"messages\"): a row for each answer", "",
                 false, conversations},
    ImportFormat{"c-stance", "C-STANCE's CSV: Text, Target 1, Stance 1; rows in use", "C-STANCE",
                 false, c_stance},
    ImportFormat{"fomc", "FOMC's table as CSV: sentence, label 0 to 2", "FOMC", false, fomc},
    ImportFormat{"meetingbank", "MeetingBank's JSON: transcript, summary", "MeetingBank", false,
                 meetingbank},
    ImportFormat{"scienceqa",
                 "ScienceQA's problems.json, with its splits; questions without picture",
                 "ScienceQA", false, scienceqa},
    ImportFormat{"numglue-cm", "NumGLUE's JSON: rows of Type_1", "NumGLUE-cm", false, numglue_cm},
    ImportFormat{"numglue-ds", "NumGLUE's JSON: rows of Type_2", "NumGLUE-ds", false, numglue_ds},
    ImportFormat{"20minuten", "20 Minuten's JSON: content, summary", "20Minuten", false,
                 twenty_minuten},
    ImportFormat{"medmcqa", "MedMCQA's JSON lines: rows of choice_type single", "MedMCQA", false,
                 medmcqa},
    ImportFormat{"jec-qa", "JEC-QA's JSON lines: rows with one right option", "JEC-QA", false,
                 jec_qa},
};

}  // namespace

std::span<const ImportFormat> import_formats() {
  return kFormats;
}

const ImportFormat& find_import_format(const std::string& name) {
  const auto found = std::ranges::find(kFormats, name, &ImportFormat::name);
  if (found != kFormats.end()) return *found;
  throw Error(ErrorKind::kUsage, fmt::format("[data] there is no format '{}'", name),
              fmt::format("Choose one of: {}.", listed(kFormats, &ImportFormat::name)));
}

}  // namespace ilora
