// ilora eval: scores any run's learners, or the base model, on any folder of tasks.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/console.h"
#include "eval/evaluator.h"
#include "model/peft.h"
#include "model/prompt_pool.h"
#include "runs/results.h"
#include "runs/schema.h"
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

// The measure asked for; without one, that of the run for its own tasks, and auto for others.
std::string measure_for(const EvalArguments& a, const Results& run, const std::string& task) {
  if (!a.measure.empty()) return a.measure;
  const auto column = run.column(task);
  return column && !run.measure(*column).empty() ? run.measure(*column) : "auto";
}

// What is scored is said by options of the command; of the run's, those count by which texts are
// read and computed.
void refuse_run_options(const OptionList& options, const std::vector<std::string>& settings) {
  const auto counts = [&](std::string_view key) {
    return options.rules(key).from != OptionStage::kTraining;
  };
  for (const std::string& setting : settings) {
    const std::string key = setting_key(setting);
    options.require(key, "--set");
    if (counts(key)) continue;
    throw Error(ErrorKind::kUsage, fmt::format("[eval] '{}' has no effect here (--set)", setting),
                fmt::format("--data, --rows, --split and --measure say what is scored; of a run's "
                            "options {} may be set.",
                            options.keys_text(counts)));
  }
}

// The learners of a run as they were after one of its tasks.
class SavedLearners {
 public:
  SavedLearners(const RunFolder& folder, Workbench& bench, std::vector<std::string> names)
      : folder_(folder), bench_(bench), names_(std::move(names)) {}

  const std::vector<std::string>& names() const { return names_; }
  // Valid until the next call.
  const std::vector<Answerer>& after(int64_t task) {
    if (task == loaded_) return answerers_;
    answerers_.clear();
    adapters_.clear();
    for (const std::string& name : names_) {
      if (name == "base") {
        answerers_.emplace_back();
        continue;
      }
      adapters_.push_back(std::make_unique<Adapter>(
          load_peft(folder_.saved_adapter(task, name), bench_.model.config())));
      answerers_.push_back(answerer_of(bench_.engine, *adapters_.back()));
    }
    loaded_ = task;
    return answerers_;
  }

 private:
  const RunFolder& folder_;
  Workbench& bench_;
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<Adapter>> adapters_;
  std::vector<Answerer> answerers_;
  int64_t loaded_ = 0;
};

Json evaluate_all(const EvalArguments& a) {
  const RunFolder folder = open_run(a.run);
  const auto configuration = configuration_of(folder);
  warn_each(configuration->warnings);
  refuse_run_options(configuration->options, a.settings);
  configuration->set(a.settings);
  const Recipe& recipe = configuration->recipe;
  Results run;
  if (fs::exists(folder.path(Results::kFile))) run = read_run_file<Results>(folder);
  const int64_t number = a.task > 0 ? a.task : folder.last_task();
  if (number == 0 || !fs::is_directory(folder.task(number))) {
    throw Error(ErrorKind::kFile,
                fmt::format("[eval] {} has no adapters{}", a.run,
                            number > 0 ? fmt::format(" of task {}", number) : " yet"),
                "A run has adapters once its first task is learned.");
  }
  const Split split = parse_split(a.split);
  std::vector<TaskText> tasks;
  for (const fs::path& path : task_folders_in(a.data))
    tasks.push_back(read_task(path, {0, a.rows, a.rows}, split));

  const ScopedThreads threads(recipe.threads);
  const LoadedModel model(recipe.model_options());
  say_left_out(model.files);
  warn_of(model_change(folder, model.files));
  Workbench bench(model, recipe);
  Evaluator evaluator(bench.engine, bench.encoder, {recipe.max_new_tokens});
  Json results = {{"run", a.run}, {"task", number}, {"scores", Json::object()}};
  SavedLearners saved(folder, bench, a.learners.empty() ? folder.learners(number) : a.learners);
  const std::vector<std::string>& learners = saved.names();
  for (const TaskText& text : tasks) {
    const TaskEval task = make_task_eval(text, split, measure_for(a, run, text.name));
    if (const std::string note = evaluator.check(task); !note.empty()) log().info("{}", note);
    int64_t after = number;
    if (const auto column = run.column(text.name);
        column && a.task == 0 && configuration->method().answers_by_task())
      after = std::min(static_cast<int64_t>(*column) + 1, number);
    const std::vector<TaskScore> scores = evaluator.evaluate_each(task, saved.after(after));
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
                                 row["score"].get<double>() > 0 ? "+" : "-",
                                 json_text(row["expected"], -1), json_text(row["answer"], -1));
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
  command
      ->add_option("--learner", a->learners,
                   "fast, slow, ..., or base for no adapter (repeatable; default: all saved)")
      ->allow_extra_args(false);
  command
      ->add_option("--after", a->task,
                   "adapters as they were after this task, from 1 (default: the last; of `one` "
                   "and `pp`, each of the run's tasks with its own)")
      ->check(above_zero());
  command->add_option("--measure", a->measure,
                      "auto, or one that `ilora measures` lists (default: the run's)");
  command->add_option("--split", a->split, "test or eval")
      ->check(CLI::IsMember({"test", "eval"}))
      ->capture_default_str();
  command->add_option("--rows", a->rows, "most rows of each task; 0: all")->check(not_below_zero());
  command
      ->add_option("--set", a->settings,
                   "key=value, overrides the run's configuration (repeatable)")
      ->allow_extra_args(false);
  command->add_flag("--answers", a->answers, "show every answer");
  command->add_flag("--json", a->json, "print JSON");
  command->callback([a] {
    const Json results = evaluate_all(*a);
    if (a->json) {
      std::cout << json_text(results) << "\n";
    } else {
      print_table(results);
    }
  });
}

}  // namespace ilora
