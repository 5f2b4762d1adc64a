// ilora suite: writes the tasks that ship with the program.
#include <algorithm>
#include <filesystem>
#include <iostream>

#include "base/error.h"
#include "cli/command.h"
#include "cli/console.h"
#include "data/mini_suite.h"

namespace ilora {

void add_suite(CLI::App& app) {
  struct Arguments {
    std::string name, out;
  };
  CLI::App* command = app.add_subcommand("suite", "write a built-in suite of tasks");
  auto a = std::make_shared<Arguments>();
  command->add_option("name", a->name, "mini: five small tasks in several languages")
      ->required()
      ->check(CLI::IsMember({"mini"}));
  command->add_option("--out", a->out, "the folder to write")->required();
  command->callback([a] {
    const auto same = [](const std::vector<Example>& x, const std::vector<Example>& y) {
      return std::ranges::equal(x, y, [](const Example& p, const Example& q) {
        return p.prompt == q.prompt && p.answer == q.answer;
      });
    };
    for (const TaskText& task : mini_suite()) {
      const std::filesystem::path folder = std::filesystem::path(a->out) / task.name;
      if (!std::filesystem::exists(folder)) continue;
      const TaskText there = read_task(folder);
      if (same(there.train, task.train) && same(there.test, task.test)) continue;
      throw Error(ErrorKind::kUsage,
                  fmt::format("[suite] {} holds another task of that name", folder.string()),
                  "Choose another folder (--out).");
    }
    for (const TaskText& task : mini_suite()) {
      write_task(std::filesystem::path(a->out) / task.name, task);
      log().info("{}/{}: {} training, {} eval and {} test rows", a->out, task.name,
                 task.train.size(), task.eval.size(), task.test.size());
    }
  });
}

}  // namespace ilora
