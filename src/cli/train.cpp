// ilora train: runs a sequence of tasks, resumes one, or teaches a finished run one more task.
#include <filesystem>
#include <iostream>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/parallel.h"
#include "bench/gemm_rate.h"
#include "bench/profile_table.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "cli/train.h"
#include "report/report.h"
#include "runs/results.h"
#include "session/training.h"
#include "session/training_log.h"
#include "train/environment.h"

namespace ilora {
namespace {

// What --profile adds at the end: profile.json in the run's folder, and (unless JSON is asked for)
// a table.
void show_profile(const Workbench& bench, const Recipe& recipe, double seconds, double peak,
                  bool json) {
  const Json profile = profile_json(bench.profile->entries(), seconds, peak, bench.model.config(),
                                    {recipe.lora.rank});
  write_json(RunFolder(recipe.output).profile(), profile);
  if (!json) std::cout << profile_text(profile) << "\n";
}

}  // namespace

void run_training(const PreparedRun& prepared, const TrainArguments& a) {
  Configuration& configuration = *prepared.configuration;
  Recipe& recipe = configuration.recipe;
  warn_each(configuration.warnings);
  recipe.profile = a.profile;
  Method& method = configuration.method();
  const ScopedThreads threads(recipe.threads);
  const std::vector<TaskText> tasks = read_tasks(recipe);
  TrainingLog observer(log(), interrupted);
  ModelFiles files = open_model(recipe.model_options());
  say_left_out(files);
  Tokenizer tokenizer = load_tokenizer(files);
  // A run that goes on keeps what was chosen when it began.
  if (!prepared.restore && !recipe.memory.empty())
    fit_memory(configuration, tasks, files, tokenizer, observer);
  const LoadedModel model(std::move(files), recipe.model_options(), std::move(tokenizer));
  Workbench bench(model, recipe);
  log().info("{} on {} ({} layers, {}, {} threads), {} tasks into {}", recipe.method,
             model.config().name, model.config().layers, model.mode(), max_threads(), tasks.size(),
             recipe.output);
  Trainer trainer(recipe, configuration.options, method, bench, tasks, &observer);
  const double peak = a.profile ? best_gflops(measure_mode(model.mode(), 5).rates) : 0.0;
  if (bench.profile) bench.profile->clear();
  const double began = seconds_now();
  install_interrupt_handler();
  train(prepared, trainer);
  if (!recipe.memory.empty()) log().info("peak memory {:.1f} MiB", peak_memory_mib());
  if (a.profile) show_profile(bench, recipe, seconds_now() - began, peak, a.json);

  const RunFolder folder(recipe.output);
  const std::vector<std::filesystem::path> runs = {folder.path()};
  write_report(runs, folder.report());
  if (a.json) {
    std::cout << read_file(folder.path(Results::kFile));
  } else {
    std::cout << comparison_table(runs);
    log().info("report: {}", folder.report().string());
  }
}

namespace {

PreparedRun prepare_run(const TrainArguments& a) {
  if (!a.resume.empty()) return prepare_resume(a.resume, a.settings);
  if (!a.continue_run.empty()) return prepare_continue(a.continue_run, a.tasks, a.settings);
  if (a.config.empty() && a.settings.empty()) {
    throw Error(
        ErrorKind::kUsage, "[train] no configuration is given",
        "Name a YAML file (examples/ has some), --resume RUN or --continue RUN --task DIR.");
  }
  auto configuration = std::make_unique<Configuration>();
  if (!a.config.empty()) configuration->options.load_yaml(a.config);
  configuration->set(a.settings);
  if (!a.memory.empty()) configuration->recipe.memory = a.memory;
  return prepare_new(std::move(configuration));
}

PreparedRun prepare(const TrainArguments& a) {
  PreparedRun prepared = prepare_run(a);
  prepared.accept_changes = a.accept_changes;
  return prepared;
}

}  // namespace

void add_train(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "train", "train on tasks in order; resume; teach a finished run one more task");
  auto a = std::make_shared<TrainArguments>();
  CLI::Option* config = command->add_option("config", a->config, "a YAML file; see examples/");
  command->add_option("--set", a->settings, "key=value, overrides the configuration (repeatable)")
      ->allow_extra_args(false);
  CLI::Option* resume =
      command->add_option("--resume", a->resume, "go on with an interrupted run")->excludes(config);
  CLI::Option* more =
      command->add_option("--continue", a->continue_run, "teach a finished run more tasks (--task)")
          ->excludes(config)
          ->excludes(resume);
  command->add_option("--task", a->tasks, "with --continue: a task's folder (repeatable)")
      ->allow_extra_args(false)
      ->needs(more);
  command->add_flag("--accept-changes", a->accept_changes,
                    "with --resume or --continue: go on though model, rows or options have "
                    "changed; the run records it");
  command->add_flag("--options", a->show_options, "list every option of a configuration");
  command
      ->add_option("--memory", a->memory, "engine.memory, such as 4GiB: the fastest step that fits")
      ->excludes(resume)
      ->excludes(more);
  command->add_flag("--profile", a->profile,
                    "time per operation: a table at the end, and profile.json in the run's folder");
  command->add_flag("--json", a->json, "print results.json instead of a table");
  command->callback([a] {
    if (a->show_options) {
      std::cout << Configuration().options.help_text();
    } else {
      ignore_closed_pipe();
      run_training(prepare(*a), *a);
    }
  });
}

}  // namespace ilora
