// ilora memory: the rows that a run keeps of its tasks. They are its users' data: they can be looked
// at, and taken out.
#include <iostream>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/memory.h"
#include "session/kept_rows.h"
#include "train/loaded_model.h"

namespace ilora {
namespace {

// Which rows are meant: those for which all that is given holds.
struct Choice {
  std::string task, containing;
  std::vector<int64_t> numbers;
  bool all = false;

  void add_options(CLI::App* command) {
    command->add_option("--task", task, "rows of this task");
    command->add_option("--row", numbers, "the row of this number in its train.json (repeatable)")
        ->allow_extra_args(false)
        ->check(not_below_zero());
    command->add_option("--containing", containing, "rows whose prompt and answer hold this text");
  }
  bool any() const { return !task.empty() || !containing.empty() || !numbers.empty(); }
  void check(const KeptRows& kept) const {
    if (!task.empty()) kept.task(task);  // throws for one that there is not
    if (numbers.empty() || !task.empty() || kept.tasks.size() == 1) return;
    throw Error(ErrorKind::kUsage, "[memory] --row needs the task that it is a row of",
                fmt::format("Add --task; the run's tasks are: {}.", fmt::join(kept.tasks, ", ")));
  }
  bool holds(const KeptRow& row, const Tokenizer* tokenizer) const {
    if (!task.empty() && row.task != task) return false;
    if (!numbers.empty() && std::ranges::count(numbers, row.number) == 0) return false;
    if (containing.empty()) return true;
    const KeptText text = text_of(row.row, *tokenizer);
    return (text.prompt + text.answer).find(containing) != std::string::npos;
  }
};

// The tokenizer of the run's model, of which no weight is read.
Tokenizer tokenizer_of(const RunFolder& folder) {
  const auto configuration = configuration_of(folder);
  const Recipe& recipe = configuration->recipe;
  recipe.require_found(recipe.model);
  return load_tokenizer(open_model(recipe.model_options()));
}

KeptRows rows_of(const RunFolder& folder) {
  KeptRows kept = read_kept_rows(folder);
  warn_of(kept.warning);
  return kept;
}

// ---- list ------------------------------------------------------------------------------------

struct Share {
  int64_t rows = 0, bytes = 0, logits = 0;  // `logits`: bytes of a teacher's that rows keep
  void add(const Row& row) {
    ++rows;
    bytes += row.bytes();
    logits += row.top_logits.bytes();
  }
};

void list(const std::string& run, bool json) {
  const KeptRows kept = rows_of(open_run(run));
  std::vector<Share> shares(kept.tasks.size());
  Share all;
  for (const KeptRow& row : kept.rows) {
    shares[static_cast<size_t>(row.row.task)].add(row.row);
    all.add(row.row);
  }
  if (json) {
    Json tasks = Json::array();
    for (size_t t = 0; t < shares.size(); ++t)
      tasks.push_back({{"task", kept.tasks[t]},
                       {"rows", shares[t].rows},
                       {"bytes", shares[t].bytes},
                       {"logit_bytes", shares[t].logits},
                       {"learned", static_cast<int64_t>(t) < kept.learned}});
    std::cout << json_text({{"tasks", tasks}, {"rows", all.rows}, {"bytes", all.bytes}}) << "\n";
    return;
  }
  if (all.rows == 0) {
    std::cout << "no rows are kept\n";
    return;
  }
  const auto print = [](const std::string& name, const Share& share) {
    const std::string logits =
        share.logits > 0 ? fmt::format(", {} of them a teacher's logits", share.logits) : "";
    std::cout << fmt::format("{:<20} {:>6} rows {:>9} bytes{}\n", name, share.rows, share.bytes,
                             logits);
  };
  for (size_t t = 0; t < shares.size(); ++t) print(kept.tasks[t], shares[t]);
  print("all", all);
}

// ---- show ------------------------------------------------------------------------------------

void show(const std::string& run, const Choice& choice, int64_t limit, bool json) {
  const RunFolder folder = open_run(run);
  const KeptRows kept = rows_of(folder);
  choice.check(kept);
  const Tokenizer tokenizer = tokenizer_of(folder);
  int64_t found = 0;
  Json rows = Json::array();
  for (const KeptRow& row : kept.rows) {
    if (!choice.holds(row, &tokenizer) || found++ >= limit) continue;
    const KeptText text = text_of(row.row, tokenizer);
    if (json) {
      rows.push_back({{"task", row.task},
                      {"row", row.number},
                      {"prompt", text.prompt},
                      {"answer", text.answer},
                      {"tokens", row.row.tokens.size()},
                      {"logits", row.row.top_logits.tokens.size()}});
    } else {
      // As JSON texts: a row may hold any characters.
      std::cout << fmt::format("{} {}\n  prompt {}\n  answer {}\n", row.task, row.number,
                               json_text(text.prompt, -1), json_text(text.answer, -1));
    }
  }
  if (json) std::cout << json_text({{"rows", rows}, {"found", found}}) << "\n";
  if (!json) std::cout << fmt::format("{} rows, {} shown\n", found, std::min(found, limit));
}

// ---- purge -----------------------------------------------------------------------------------

void purge(const std::string& run, const Choice& choice) {
  const RunFolder folder = open_run(run);
  if (choice.any() == choice.all) {
    throw Error(ErrorKind::kUsage,
                choice.all ? "[memory] --all leaves nothing to choose"
                           : "[memory] no row is named that is to be purged",
                "--task, --row and --containing say which rows, --all that it is every one.");
  }
  choice.check(rows_of(folder));
  std::optional<Tokenizer> tokenizer;
  if (!choice.containing.empty()) tokenizer = tokenizer_of(folder);
  const auto gone = forget_rows(folder, [&](const KeptRow& row) {
    return choice.holds(row, tokenizer ? &*tokenizer : nullptr);
  });
  std::map<std::string, int64_t> count;
  for (const KeptRow& row : gone) ++count[row.task];
  for (const auto& [task, rows] : count)
    std::cout << fmt::format("{}: {} rows purged\n", task, rows);
  if (gone.empty()) std::cout << "no row is kept that fits: nothing has changed\n";
}

}  // namespace

void add_memory(CLI::App& app) {
  CLI::App* memory =
      app.add_subcommand("memory", "the rows that a run keeps of its tasks: list, show, purge");
  memory->require_subcommand(1);
  struct Arguments {
    std::string run;
    Choice choice;
    int64_t limit = 20;
    bool json = false;
  };
  const auto add = [&](const char* name, const char* help) {
    CLI::App* command = memory->add_subcommand(name, help);
    auto a = std::make_shared<Arguments>();
    command->add_option("run", a->run, "the run's folder")->required();
    return std::pair(command, a);
  };
  {
    const auto made = add("list", "how many rows and bytes of each task");
    const auto a = made.second;
    made.first->add_flag("--json", a->json, "print JSON");
    made.first->callback([a] { list(a->run, a->json); });
  }
  {
    const auto made = add("show", "what rows say");
    const auto a = made.second;
    a->choice.add_options(made.first);
    made.first->add_option("--limit", a->limit, "show at most so many")
        ->check(above_zero())
        ->capture_default_str();
    made.first->add_flag("--json", a->json, "print JSON");
    made.first->callback([a] { show(a->run, a->choice, a->limit, a->json); });
  }
  const auto made = add("purge", "take rows out of a run, for good");
  const auto a = made.second;
  a->choice.add_options(made.first);
  made.first->add_flag("--all", a->choice.all, "every row");
  made.first->footer(
      "The rows leave the run's checkpoints, and the files of tasks that the library was given. "
      "What adapters have learned from them stays learned, and your own task folders stay as they "
      "are.");
  made.first->callback([a] { purge(a->run, a->choice); });
}

}  // namespace ilora
