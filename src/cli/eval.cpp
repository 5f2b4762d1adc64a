// ilora eval: scores any run's learners, an adapter, or the base model, on any folder of tasks.
#include <filesystem>
#include <iostream>
#include <memory>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/command.h"
#include "eval/evaluator.h"
#include "model/peft.h"
#include "model/prompt_pool.h"
#include "train/workbench.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

struct EvalArguments {
  std::string run, data, measure, split = "test";
  std::vector<std::string> learners, settings;
  int64_t task = 0, rows = 0;
  bool json = false, answers = false;
};

// The task folders below `data`, or `data` itself where it is one.
std::vector<fs::path> task_folders(const std::string& data) {
  if (fs::exists(fs::path(data) / "test.json") || fs::exists(fs::path(data) / "train.json"))
    return {data};
  Recipe recipe;
  recipe.data_folder = data;
  return recipe.task_folders();
}

// The measure asked for; without one, that of the run for its own tasks, and auto for others.
std::string measure_for(const EvalArguments& a, const RunFolder& folder, const std::string& task) {
  if (!a.measure.empty()) return a.measure;
  if (!fs::exists(folder.results())) return "auto";
  const Json results = read_json(folder.results());
  for (size_t j = 0; j < results.at("tasks").size(); ++j) {
    if (results["tasks"][j] == task) return results.at("measures").at(j);
  }
  return "auto";
}

Json evaluate_all(const EvalArguments& a) {
  const RunFolder folder = open_run(a.run);
  const auto configuration = configuration_of(folder);
  configuration->set(a.settings);
  const Recipe& recipe = configuration->recipe;
  const int64_t number = a.task > 0 ? a.task : folder.last_task();
  if (number == 0 || !fs::is_directory(folder.task(number))) {
    throw Error(ErrorKind::kFile,
                fmt::format("[eval] {} has no adapters of task {}", a.run, number),
                "A run has adapters once its first task is learned.");
  }
  std::vector<std::string> learners = a.learners.empty() ? folder.learners(number) : a.learners;
  std::vector<TaskText> tasks;
  for (const fs::path& path : task_folders(a.data))
    tasks.push_back(read_task(path, {0, a.rows, a.rows}));

  Workbench bench(recipe);
  Evaluator evaluator(*bench.engine, *bench.encoder, {recipe.max_new_tokens});
  Json results = {{"run", a.run}, {"task", number}, {"scores", Json::object()}};
  std::vector<std::unique_ptr<Adapter>> adapters;
  std::vector<Deployed> deployed;
  for (const std::string& learner : learners) {
    if (learner == "base") {
      deployed.emplace_back();
      continue;
    }
    adapters.push_back(std::make_unique<Adapter>(
        load_peft(folder.adapter(number, learner), bench.files.config())));
    deployed.push_back(answering(*bench.engine, *adapters.back()));
  }
  for (const TaskText& text : tasks) {
    const TaskEval task = make_task_eval(text, a.split == "eval" ? Split::kEval : Split::kTest,
                                         measure_for(a, folder, text.name));
    const std::vector<TaskScore> scores = evaluator.evaluate_each(task, deployed);
    for (size_t l = 0; l < learners.size(); ++l) {
      const TaskScore& score = scores[l];
      Json entry = {
          {"measure", task.measure->name}, {"score", score.score}, {"rows", score.rows.size()}};
      if (a.answers) {
        for (size_t i = 0; i < score.rows.size(); ++i) {
          entry["answers"].push_back({{"prompt", task.rows[i].prompt},
                                      {"expected", task.rows[i].answer},
                                      {"answer", score.rows[i].answer},
                                      {"score", score.rows[i].score}});
        }
      }
      log().info("{} on {}: {:.3f}", learners[l], task.name, score.score);
      results["scores"][learners[l]][task.name] = entry;
    }
  }
  return results;
}

void print_table(const Json& results) {
  for (const auto& [learner, tasks] : results["scores"].items()) {
    for (const auto& [task, entry] : tasks.items()) {
      std::cout << fmt::format("{:<12} {:<20} {:<18} {:.4f}  ({} rows)\n", learner, task,
                               entry["measure"].get<std::string>(), entry["score"].get<double>(),
                               entry["rows"].get<size_t>());
      for (const Json& row : entry.value("answers", Json::array())) {
        std::cout << fmt::format("  {}  expected {}  got {}\n",
                                 row["score"].get<double>() > 0 ? "+" : "-", row["expected"].dump(),
                                 row["answer"].dump());
      }
    }
  }
}

}  // namespace

void add_eval(CLI::App& app) {
  CLI::App* command = app.add_subcommand("eval", "score a run's learners on task folders");
  auto a = std::make_shared<EvalArguments>();
  command->add_option("run", a->run, "a run folder")->required();
  command->add_option("--data", a->data, "a task folder, or a folder of them")->required();
  command->add_option("--learner", a->learners,
                      "fast, slow, ..., or base for no adapter (repeatable; default: all saved)");
  command->add_option("--after", a->task,
                      "adapters as they were after this task, from 1 (default: the last)");
  command->add_option("--measure", a->measure,
                      "auto, or one that `ilora measures` lists (default: the run's)");
  command->add_option("--split", a->split, "test or eval")->check(CLI::IsMember({"test", "eval"}));
  command->add_option("--rows", a->rows, "most rows of each task; 0: all");
  command->add_option("--set", a->settings,
                      "key=value, overrides the run's configuration (repeatable)");
  command->add_flag("--answers", a->answers, "show every answer");
  command->add_flag("--json", a->json, "print JSON");
  command->callback([a] {
    const Json results = evaluate_all(*a);
    if (a->json) {
      std::cout << results.dump(2) << "\n";
    } else {
      print_table(results);
    }
  });
}

}  // namespace ilora
