// ilora tasks: the built-in definitions of tasks.
#include <iostream>

#include "base/json.h"
#include "cli/command.h"
#include "data/task_definition.h"

namespace ilora {
namespace {

void print_tasks() {
  std::cout << fmt::format("{:<12} {:<5} {:<16} {:<17} {:>6}  {}\n", "folder", "lang", "measure",
                           "generated", "tokens", "what it is, options");
  for (const TaskDefinition& task : task_definitions()) {
    std::cout << fmt::format(
        "{:<12} {:<5} {:<16} {:<17} {:>6}  {}{}\n", task.name, task.language, task.measure,
        task.generated, task.max_new_tokens, task.summary,
        task.options.empty() ? "" : fmt::format(" [{}]", fmt::join(task.options, ", ")));
  }
  std::cout << "\nA folder of one of these names is measured so. Any other task says it in a file "
               "task.yaml in its folder:\nmeasure, generated, options, max_new_tokens, language, "
               "summary, as far as needed (docs/tasks.md).\n";
}

}  // namespace

void add_tasks(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("tasks", "list the tasks whose measures and options are built in");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "print JSON");
  command->callback([json] {
    if (!*json) return print_tasks();
    Json list = Json::array();
    for (const TaskDefinition& task : task_definitions()) {
      list.push_back({{"name", task.name},
                      {"measure", task.measure},
                      {"generated", task.generated},
                      {"options", task.options},
                      {"max_new_tokens", task.max_new_tokens},
                      {"language", task.language},
                      {"summary", task.summary}});
    }
    std::cout << json_text(list) << "\n";
  });
}

}  // namespace ilora
