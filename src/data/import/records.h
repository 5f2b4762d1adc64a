// Records of a file, whatever its form: JSON, JSON lines or CSV become JSON objects that know where
// they stand. Called by the importers.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"

namespace ilora {

struct Record {
  Json fields;        // an object
  std::string where;  // "x.csv:12", "x.jsonl:3", "row 7 of x.json"

  // The text of a field: texts as they are, numbers as JSON writes them. Throws Error(kData) where
  // it is missing or neither, naming the record and the fields there are.
  std::string text(const std::string& field) const;
  // The same, or nothing where the field is absent, null or empty.
  std::string text_or_nothing(const std::string& field) const;
  // The field itself; throws where it is missing.
  const Json& at(const std::string& field) const;
};

// What a record lacks, as an error: "[data] expected WANTED (WHERE)".
[[noreturn]] void fail_record(const Record& record, const std::string& wanted,
                              const std::string& hint = {});

// How files are read: `separator` '\0': comma, or tab for .tsv; `tables`: as CSV whatever a file's
// ending.
struct RecordForm {
  char separator = '\0';
  bool tables = false;
};

// Reads a file by its ending (in either case): .csv and .tsv as tables, others as JSON: a list of
// objects, an object of objects (ScienceQA's problems.json), or one object per line. A folder
// stands for all .json, .jsonl, .ndjson, .csv and .tsv files in it, in the order of their names.
// Throws Error(kFile) for a folder without such files, Error(kData or kFormat) naming file and line.
std::vector<Record> read_records(const std::filesystem::path& path, const RecordForm& form);

}  // namespace ilora
