// CSV as RFC 4180 has it: a header, quoted cells that may hold separators, line breaks and doubled
// quotes, lines that end in LF or CRLF. Called by data/import/records.cpp (reads), by study/
// and the analyses (write).
//
// Written here because Debian's C library for it does not say on which line a mistake is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ilora {

struct CsvTable {
  struct Row {
    int64_t line;  // of the file, from 1, where the row begins
    std::vector<std::string> cells;
  };
  std::vector<std::string> header;
  std::vector<Row> rows;  // each with as many cells as the header; empty lines are left out
};

// `where` names the file in errors. Throws Error(kFormat) with file and line for a quoted cell that
// is not closed or goes on behind its quote, for a row with more or fewer cells than the header,
// for a header that is empty or names a column twice.
CsvTable parse_csv(std::string_view text, char separator, const std::string& where);

// One line with its end; cells are quoted where they have to be.
std::string csv_line(const std::vector<std::string>& cells);
std::string csv_number(double x);  // all digits; empty for NaN

}  // namespace ilora
