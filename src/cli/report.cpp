// ilora report: one page for one or more runs.
#include <iostream>

#include "base/new_file.h"
#include "cli/command.h"
#include "cli/console.h"
#include "report/report.h"
#include "runs/missing_steps.h"
#include "runs/own_files.h"

namespace ilora {

void add_report(CLI::App& app) {
  struct Arguments {
    std::vector<std::string> runs;
    std::string out;
  };
  CLI::App* command =
      app.add_subcommand("report", "write a page with the results of runs, side by side");
  auto a = std::make_shared<Arguments>();
  command->add_option("runs", a->runs, "run folders")->required();
  command->add_option("--out", a->out, "the page (default: report.html in the first run)");
  command->callback([a] {
    std::vector<std::filesystem::path> runs;
    for (const std::string& run : a->runs) {
      const RunFolder folder = open_run(run);
      warn_of(missing_steps(folder));
      warn_each(files_of_others(folder));
      runs.push_back(folder.path());
    }
    const std::filesystem::path out =
        a->out.empty() ? RunFolder(runs.front()).report() : std::filesystem::path(a->out);
    if (!a->out.empty()) require_same_kind(out, "--out", "<!doctype html");
    write_report(runs, out);
    std::cout << comparison_table(runs) << "report: " << out.string() << "\n";
  });
}

}  // namespace ilora
