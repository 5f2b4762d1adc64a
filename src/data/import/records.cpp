#include "data/import/records.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/csv.h"
#include "base/error.h"
#include "data/text_file.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

// Lines that end with carriage returns alone, as old tables have them, with line feeds.
std::string with_line_feeds(std::string text) {
  if (text.find('\n') == std::string::npos) std::ranges::replace(text, '\r', '\n');
  return text;
}

// A header in one piece that holds what usually stands between cells.
void require_separator(const CsvTable& table, const std::string& where) {
  if (table.header.size() != 1) return;
  const std::string& name = table.header.front();
  const size_t at = name.find_first_of(";\t|,");
  if (at == std::string::npos) return;
  throw Error(ErrorKind::kData,
              fmt::format("[data] expected several columns, got one, '{}' ({}:1)", name, where),
              fmt::format("Name what separates them: --separator '{}'",
                          name[at] == '\t' ? "\\t" : name.substr(at, 1)));
}

std::vector<Record> table_records(const std::string& text, char separator,
                                  const std::string& where) {
  std::vector<Record> records;
  CsvTable table = parse_csv(text, separator, where);
  require_separator(table, where);
  for (CsvTable::Row& row : table.rows) {
    Record& record = records.emplace_back();
    record.where = fmt::format("{}:{}", where, row.line);
    for (size_t i = 0; i < table.header.size(); ++i)
      record.fields[table.header[i]] = std::move(row.cells[i]);
  }
  return records;
}

// One object per line; empty lines are left out.
std::vector<Record> line_records(std::string_view text, const std::string& where) {
  std::vector<Record> records;
  int64_t line = 1;
  for (size_t begin = 0; begin < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    begin = end + 1;
    if (part.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string place = fmt::format("{}:{}", where, line);
    Record record{parse_json(part, place, JsonNumbers::kDigits), place};
    if (!record.fields.is_object()) fail_record(record, "an object on each line");
    records.push_back(std::move(record));
  }
  return records;
}

std::vector<Record> json_records(Json json, const std::string& where) {
  std::vector<Record> records;
  // An object whose values are objects holds one record under each key.
  const bool keyed = json.is_object() && !json.empty() &&
                     std::ranges::all_of(json, [](const Json& value) { return value.is_object(); });
  if (json.is_object() && !keyed) return {Record{std::move(json), where}};
  size_t number = 0;
  for (auto& [key, value] : json.items()) {
    Record record{std::move(value), keyed ? fmt::format("\"{}\" of {}", key, where)
                                          : fmt::format("row {} of {}", number, where)};
    if (!record.fields.is_object()) fail_record(record, "an object in each row");
    records.push_back(std::move(record));
    ++number;
  }
  return records;
}

// ".json" of X.JSON.
std::string ending_of(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ending;
}

// JSON lines are told from JSON by a second line that begins an object of its own.
bool is_json_lines(const std::string& ending, std::string_view text) {
  if (ending == ".jsonl" || ending == ".ndjson") return true;
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '{') return false;
  const size_t line_end = text.find('\n', first);
  if (line_end == std::string_view::npos) return false;
  const size_t next = text.find_first_not_of(" \t\r\n", line_end);
  const size_t last = text.find_last_not_of(" \t\r", line_end - 1);
  return text[last] == '}' && next != std::string_view::npos && text[next] == '{';
}

std::vector<Record> file_records(const fs::path& path, const RecordForm& form) {
  const std::string text = with_line_feeds(read_utf8(path)), where = path.string(),
                    ending = ending_of(path);
  if (form.tables || ending == ".csv" || ending == ".tsv") {
    const char usual = ending == ".tsv" ? '\t' : ',';
    return table_records(text, form.separator == '\0' ? usual : form.separator, where);
  }
  if (is_json_lines(ending, text)) return line_records(text, where);
  return json_records(parse_json(text, where, JsonNumbers::kDigits), where);
}

}  // namespace

void fail_record(const Record& record, const std::string& wanted, const std::string& hint) {
  throw Error(ErrorKind::kData, fmt::format("[data] expected {} ({})", wanted, record.where), hint);
}

const Json& Record::at(const std::string& field) const {
  const auto found = fields.find(field);
  if (found != fields.end()) return *found;
  std::vector<std::string> names;
  for (const auto& [name, value] : fields.items()) names.push_back(name);
  fail_record(*this, fmt::format("a field \"{}\"", field),
              fmt::format("It has: {}.", fmt::join(names, ", ")));
}

std::string Record::text(const std::string& field) const {
  const Json& value = at(field);
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  fail_record(*this, fmt::format("a text or a number in \"{}\", got {}", field,
                                 value.is_null() ? "null" : value.type_name()));
}

std::string Record::text_or_nothing(const std::string& field) const {
  const auto found = fields.find(field);
  return found == fields.end() || found->is_null() ? "" : text(field);
}

std::vector<Record> read_records(const fs::path& path, const RecordForm& form) {
  if (!fs::is_directory(path)) return file_records(path, form);
  constexpr std::array kEndings = {".json", ".jsonl", ".ndjson", ".csv", ".tsv"};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (std::ranges::find(kEndings, ending_of(entry.path())) != kEndings.end())
      files.push_back(entry.path());
  }
  if (files.empty())
    throw Error(ErrorKind::kFile,
                fmt::format("[data] expected .json, .jsonl, .ndjson, .csv or .tsv files in {}, got "
                            "none",
                            path.string()));
  std::ranges::sort(files);
  std::vector<Record> records;
  for (const fs::path& file : files) {
    for (Record& record : file_records(file, form)) records.push_back(std::move(record));
  }
  return records;
}

}  // namespace ilora
