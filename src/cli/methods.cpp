// ilora methods: the methods there are, with their options.
#include <iostream>

#include "base/json.h"
#include "cli/command.h"

namespace ilora {

void add_methods(CLI::App& app) {
  struct Arguments {
    std::string name;
    bool json = false;
  };
  CLI::App* command =
      app.add_subcommand("methods", "list the methods, or show one method's options");
  auto a = std::make_shared<Arguments>();
  command->add_option("method", a->name, "show this one's options");
  command->add_flag("--json", a->json, "print JSON");
  command->callback([a] {
    if (!a->name.empty()) {
      OptionList options;
      const auto method = find_method(a->name).make();
      method->add_options(options);
      std::cout << (options.keys().empty() ? a->name + " has no options of its own\n"
                                           : options.help_text());
      return;
    }
    Json json = Json::array();
    for (const MethodEntry& entry : methods()) {
      json.push_back({{"name", entry.name},
                      {"summary", entry.summary},
                      {"source", entry.source},
                      {"stores", entry.stores},
                      {"cost", entry.cost}});
      if (!a->json) {
        std::cout << fmt::format("{:<10} {}  [{}]\n", entry.name, entry.summary, entry.source)
                  << fmt::format("{:<10} a step costs {}; keeps {}\n", "", entry.cost,
                                 entry.stores);
      }
    }
    if (a->json) {
      std::cout << json_text(json) << "\n";
    } else {
      std::cout << "\nA step's cost is counted from the second task on, in steps of seq, where "
                   "replayed rows "
                   "are as long\nas current ones: B rows a step, t tasks so far. What is kept "
                   "stands beside the "
                   "adapter.\n";
    }
  });
}

}  // namespace ilora
