// analysis/NAME.json: what an analysis found, as far as the report shows it. An analysis writes
// keys of its own beside these (docs/formats.md). Written by cli/analyze.cpp, read by
// report/analyses.cpp.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "runs/run_folder.h"

namespace ilora {

struct Analysis {
  static constexpr int64_t kSchema = 1;
  static constexpr const char* kRemedy =
      "Only `ilora analyze` writes into this folder; move the file away.";

  std::string analysis;  // "path", "plane", ...
  std::string title;
  std::vector<std::string> text;  // sentences
  std::vector<Json> figures;      // described as data (report/figures.h)

  static void visit(auto& keys, auto& self) {
    keys.schema(kSchema);
    keys.value("analysis", self.analysis);
    keys.required("title", self.title);
    keys.required("text", self.text);
    keys.required("figures", self.figures);
  }
};

// All that a run has, by name. Throws Error(kFormat) naming a file that is no analysis.
std::map<std::string, Analysis> read_analyses(const RunFolder& folder);

}  // namespace ilora
