#include "data/import/formats.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/listed.h"
#include "data/import/conversations.h"
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

const std::array kFormats = {
    ImportFormat{"trace", "folders of TRACE: {\"prompt\", \"answer\"}", "", true, by_templates},
    ImportFormat{"json", "JSON lists or JSON lines; --prompt and --answer name the fields", "",
                 true, by_templates},
    ImportFormat{"csv", "tables with a header; --prompt and --answer name the columns", "", true,
                 by_templates},
    ImportFormat{"alpaca", "\"instruction\", \"input\", \"output\", \"system\", \"history\"", "",
                 false, alpaca_rows, alpaca_unread},
    ImportFormat{"sharegpt",
                 "\"conversations\" or \"messages\": a row for each (--pairs: for each answer)", "",
                 false, conversation_rows, conversation_unread},
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
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kOtherNames = {
      {{"messages", "sharegpt"},
       {"openai", "sharegpt"},
       {"conversations", "sharegpt"},
       {"jsonl", "json"},
       {"ndjson", "json"},
       {"tsv", "csv"}}};
  const auto other =
      std::ranges::find(kOtherNames, name, &decltype(kOtherNames)::value_type::first);
  const std::string_view own = other == kOtherNames.end() ? std::string_view(name) : other->second;
  const auto found = std::ranges::find(kFormats, own, &ImportFormat::name);
  if (found != kFormats.end()) return *found;
  throw Error(ErrorKind::kUsage, fmt::format("[data] there is no format '{}'", name),
              fmt::format("Choose one of: {}.", listed(kFormats, &ImportFormat::name)));
}

const ImportFormat& guess_import_format(const Record& first) {
  const auto has = [&](const char* field) { return first.fields.contains(field); };
  if (has("messages") || has("conversations")) return find_import_format("sharegpt");
  if (has("output") && (has("instruction") || has("input"))) return find_import_format("alpaca");
  if (has("prompt") && has("answer")) return find_import_format("json");
  std::vector<std::string> fields;
  for (const auto& [name, value] : first.fields.items()) fields.push_back("{" + name + "}");
  throw Error(ErrorKind::kUsage,
              fmt::format("[data] which fields of {} are the prompt and the answer?", first.where),
              fmt::format("Say so with --prompt and --answer, made of {}; or name the --format.",
                          fmt::join(fields, ", ")));
}

}  // namespace ilora
