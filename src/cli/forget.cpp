// ilora forget: a run as it would be without some rows.
#include <iostream>

#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/train.h"
#include "runs/schema.h"
#include "serve/carry_served.h"
#include "session/unlearn.h"

namespace ilora {
namespace {

struct ForgetArguments {
  std::string run, task, containing;
  std::vector<int64_t> numbers;
  bool verify = false, json = false;

  bool any() const { return !task.empty() || !numbers.empty() || !containing.empty(); }
};

void check(const ForgetArguments& a) {
  if (!a.any())
    throw Error(ErrorKind::kUsage, "[forget] no row is named that is to be forgotten",
                "--task, --row and --containing say which; what is given must all hold.");
  if (!a.numbers.empty() && a.task.empty())
    throw Error(ErrorKind::kUsage, "[forget] --row needs the task that it is a row of",
                "Add --task.");
  if (a.numbers.empty() && a.containing.empty())
    throw Error(
        ErrorKind::kUsage, fmt::format("[forget] nothing would be left of {}", a.task),
        "Add --row or --containing. Begin a run without the task where all of it is to go.");
}

bool leaves(const ForgetArguments& a, const std::string& task, Split split, int64_t number,
            const Example& row) {
  if (!a.task.empty() && task != a.task) return false;
  if (!a.numbers.empty() && (split != Split::kTrain || std::ranges::count(a.numbers, number) == 0))
    return false;
  return a.containing.empty() || (row.prompt + row.answer).find(a.containing) != std::string::npos;
}

void forget(const ForgetArguments& a) {
  const RunFolder folder(a.run);
  Unlearning how;
  how.learn = [](const PreparedRun& prepared) { run_training(prepared, {}); };
  how.carry = carry_served;
  if (unlearning_begun(folder)) {
    log().info("{}: an earlier `ilora forget` goes on", a.run);
  } else {
    check(a);
    open_run(a.run);
    plan_unlearning(
        folder,
        [&](const std::string& task, Split split, int64_t number, const Example& row) {
          return leaves(a, task, split, number, row);
        },
        how);
  }
  const Receipt receipt = unlearn(folder, how);
  if (a.json) {
    std::cout << json_text(json_of(receipt)) << "\n";
    return;
  }
  log().info("{} rows are forgotten: the run is as it would be without them ({})",
             receipt.rows.size(), folder.path(Receipt::kFile).string());
}

void verify(const ForgetArguments& a) {
  const std::vector<std::string> found = disagreements(open_run(a.run));
  for (const std::string& one : found) log().error("{}", one);
  if (!found.empty())
    throw Error(ErrorKind::kData, fmt::format("[forget] {} is not as its receipt says", a.run));
  std::cout << "adapters are those of the receipt, and no row of it is in the tasks\n";
}

}  // namespace

void add_forget(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "forget", "exact unlearning: train a run anew, as it would be without some rows");
  auto a = std::make_shared<ForgetArguments>();
  command->add_option("run", a->run, "the run's folder")->required();
  command->add_option("--task", a->task, "rows of this task");
  command->add_option("--row", a->numbers, "the row of this number in its train.json (repeatable)")
      ->allow_extra_args(false)
      ->check(not_below_zero());
  command->add_option("--containing", a->containing,
                      "rows whose prompt and answer hold this text, of every split");
  command->add_flag("--verify", a->verify, "only look whether the run is as its receipt says");
  command->add_flag("--json", a->json, "print the receipt");
  command->footer(
      "The run is trained again from its beginning, as it was, and ends in the bits of one whose "
      "files "
      "never had the rows. Stopped in between, the same command goes on. Your own task folders "
      "stay as "
      "they are: what is left of a task is copied into RUN/tasks. `ilora memory purge` takes rows "
      "out "
      "of the memory alone, at once.");
  command->callback([a] {
    if (a->verify)
      verify(*a);
    else
      forget(*a);
  });
}

}  // namespace ilora
