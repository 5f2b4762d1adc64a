// ilora measures: the measures there are.
#include <iostream>

#include "base/json.h"
#include "cli/command.h"
#include "eval/measures/measure.h"

namespace ilora {

void add_measures(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("measures", "list the measures that answers can be scored by");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "print JSON");
  command->callback([json] {
    Json list = Json::array();
    for (const Measure& m : measures()) {
      list.push_back({{"name", m.name},
                      {"summary", m.summary},
                      {"source", m.source},
                      {"generates", m.score != nullptr}});
      if (*json) continue;
      std::cout << fmt::format("{:<18} {}{}\n", m.name, m.summary,
                               *m.source == '\0' ? "" : fmt::format("  [{}]", m.source));
    }
    if (*json) std::cout << json_text(list) << "\n";
  });
}

}  // namespace ilora
