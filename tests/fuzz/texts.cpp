// JSON, YAML and CSV, as everything else reads them.
#include <yaml-cpp/yaml.h>

#include <stdexcept>

#include "base/csv.h"
#include "base/error.h"
#include "base/json.h"
#include "base/yaml_check.h"
#include "tests/fuzz/targets.h"

namespace ilora::fuzz {
namespace {

void require(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

bool has_tag(const YAML::Node& node) {
  const std::string& tag = node.Tag();
  if (!tag.empty() && tag != "?" && tag != "!") return true;  // those of plain and quoted texts
  if (node.IsSequence()) {
    for (const YAML::Node& item : node)
      if (has_tag(item)) return true;
  } else if (node.IsMap()) {
    for (const auto& entry : node)
      if (has_tag(entry.first) || has_tag(entry.second)) return true;
  }
  return false;
}

}  // namespace

void read_json(std::string_view bytes) {
  for (const JsonNumbers numbers : {JsonNumbers::kValues, JsonNumbers::kDigits}) {
    const std::string written = json_text(parse_json(bytes, "fuzz", numbers), -1);
    require(json_text(parse_json(written, "fuzz"), -1) == written, "written JSON reads otherwise");
  }
}

// What the check lets through is read by yaml-cpp to its end, and has no tag.
void read_yaml(std::string_view bytes) {
  const std::string text(bytes);
  check_yaml(text, "fuzz");
  try {
    for (const YAML::Node& document : YAML::LoadAll(text)) require(!has_tag(document), "a tag");
  } catch (const YAML::Exception&) {
  }
}

void read_csv(std::string_view bytes) {
  const CsvTable table = parse_csv(bytes, ',', "fuzz");
  std::string written = csv_line(table.header);
  for (const CsvTable::Row& row : table.rows) {
    require(row.cells.size() == table.header.size(), "a row of another length");
    written += csv_line(row.cells);
  }
  require(parse_csv(written, ',', "fuzz").header == table.header, "written CSV reads otherwise");
}

}  // namespace ilora::fuzz
