#include "base/csv.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace ilora {
namespace {

class Reader {
 public:
  Reader(std::string_view text, char separator, const std::string& where)
      : text_(text), separator_(separator), where_(where) {}

  bool more() const { return at_ < text_.size(); }

  CsvTable::Row row() {
    CsvTable::Row row{line_, {}};
    for (;;) {
      row.cells.push_back(at(at_) == '"' ? quoted() : plain());
      if (at(at_) != separator_) break;
      ++at_;
    }
    if (at(at_) == '\r') ++at_;
    if (at(at_) == '\n') ++at_, ++line_;
    return row;
  }

  [[noreturn]] void fail(int64_t line, const std::string& message, const std::string& hint) const {
    throw Error(ErrorKind::kFormat, fmt::format("[csv] {} ({}:{})", message, where_, line), hint);
  }

 private:
  char at(size_t i) const { return i < text_.size() ? text_[i] : '\0'; }
  bool ends_line(size_t i) const {
    return i >= text_.size() || text_[i] == '\n' || (text_[i] == '\r' && at(i + 1) == '\n');
  }

  std::string plain() {
    const size_t begin = at_;
    while (!ends_line(at_) && text_[at_] != separator_) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string quoted() {
    const int64_t opened = line_;
    std::string cell;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] != '"') {
        cell += text_[at_];
      } else if (at(at_ + 1) == '"') {
        cell += '"';
        ++at_;
      } else {
        ++at_;
        if (ends_line(at_) || text_[at_] == separator_) return cell;
        fail(line_, "expected a separator or the line's end after a quoted cell",
             "Write a quote inside of a cell twice: \"\".");
      }
    }
    fail(opened, "a quoted cell is not closed", "Its first quote is on that line.");
  }

  std::string_view text_;
  char separator_;
  const std::string& where_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

}  // namespace

CsvTable parse_csv(std::string_view text, char separator, const std::string& where) {
  Reader reader(text, separator, where);
  CsvTable table;
  if (reader.more()) table.header = reader.row().cells;
  if (table.header.empty() || (table.header.size() == 1 && table.header[0].empty()))
    reader.fail(1, "expected the names of the columns", "The first line names them.");
  for (size_t i = 0; i < table.header.size(); ++i) {
    const auto begin = table.header.begin(), here = begin + static_cast<std::ptrdiff_t>(i);
    if (std::find(begin, here, *here) != here && !here->empty())
      reader.fail(1, fmt::format("the column '{}' is there twice", *here), "Rename one of them.");
  }
  while (reader.more()) {
    CsvTable::Row row = reader.row();
    if (row.cells.size() == 1 && row.cells[0].empty()) continue;
    if (row.cells.size() != table.header.size()) {
      reader.fail(row.line,
                  fmt::format("expected {} cells as in the header, got {}", table.header.size(),
                              row.cells.size()),
                  "A cell that holds the separator or a line break stands in quotes; --separator "
                  "chooses another one.");
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += ',';
    if (cells[i].find_first_of(",\"\n\r") == std::string::npos) {
      line += cells[i];
      continue;
    }
    line += '"';
    for (const char c : cells[i]) line.append(c == '"' ? 2 : 1, c);
    line += '"';
  }
  return line + '\n';
}

std::string csv_number(double x) {
  return std::isnan(x) ? std::string() : fmt::format("{}", x);
}

}  // namespace ilora
