// ilora train: runs a sequence of tasks, resumes one, or teaches a finished run one more task.
#include <filesystem>
#include <iostream>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/gemm_rate.h"
#include "cli/profile_table.h"
#include "report/report.h"
#include "train/environment.h"
#include "train/memory_plan.h"
#include "train/trainer.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

struct TrainArguments {
  std::string config, resume, continue_run, memory;
  std::vector<std::string> tasks, settings;
  bool json = false, show_options = false, profile = false;
};

// What an interrupted run may change when it goes on: how it is computed, not what.
void check_resume_settings(const std::vector<std::string>& settings) {
  for (const std::string& s : settings) {
    if (s.starts_with("engine.threads=") || s.starts_with("engine.recompute=") ||
        s.starts_with("checkpoint."))
      continue;
    throw Error(ErrorKind::kUsage, fmt::format("[train] --resume cannot change '{}'", s),
                "A resumed run ends in the uninterrupted one's bits; only engine.threads, "
                "engine.recompute and checkpoint.* may differ.");
  }
}

// What --profile adds at the end: profile.json in the run's folder, and (unless JSON is asked for)
// a table.
void show_profile(const Workbench& bench, const Recipe& recipe, double seconds, double peak,
                  bool json) {
  const Json profile =
      profile_json(profile_entries(), seconds, peak, bench.files.config(), {recipe.lora.rank});
  write_json(RunFolder(recipe.output).path() / "profile.json", profile);
  if (!json) std::cout << profile_text(profile) << "\n";
}

// engine.memory: the step that fits, and what it will hold.
void fit_memory(Recipe& recipe, const std::vector<TaskText>& tasks) {
  const ModelFiles files = open_model(recipe);
  DataExtent extent;
  {
    const Tokenizer tokenizer = load_tokenizer(files);
    const Encoder encoder(tokenizer, recipe.encoding(), files.config().context);
    extent = extent_of(tasks, encoder, recipe.max_new_tokens);
    extent.resident_bytes = static_cast<int64_t>(resident_memory_mib() * (1 << 20));
  }
  const StepMemory memory = choose_step(recipe, files, gemm_type_of(recipe.mode), extent);
  log().info("{} of memory: {}", recipe.memory, memory.choice.describe());
  if (!memory.reason.empty()) log().info("{}", memory.reason);
  log().info("{}", memory.table());
}

void run_training(Configuration& configuration, bool restore, const TrainArguments& a) {
  Recipe& recipe = configuration.recipe;
  recipe.profile = a.profile;
  Method& method = configuration.method();
  const std::vector<TaskText> tasks = read_tasks(recipe);
  // A run that goes on keeps what was chosen when it began.
  if (!restore && !recipe.memory.empty()) fit_memory(recipe, tasks);
  Workbench bench(recipe);
  const ModelConfig& model = bench.files.config();
  log().info("{} on {} ({} layers, {}, {} threads), {} tasks into {}", recipe.method, model.name,
             model.layers, bench.mode(), max_threads(), tasks.size(), recipe.output);
  Trainer trainer(recipe, configuration.options, method, bench, tasks);
  if (restore) trainer.restore();
  const double peak =
      a.profile ? best_gflops(measure_gemm(cpu_kernels(), bench.engine->gemm_type(), 5)) : 0.0;
  clear_profile();
  const double began = seconds_now();
  trainer.run();
  if (!recipe.memory.empty()) log().info("peak memory {:.1f} MiB", peak_memory_mib());
  if (a.profile) show_profile(bench, recipe, seconds_now() - began, peak, a.json);

  const RunFolder folder(recipe.output);
  const std::vector<fs::path> runs = {folder.path()};
  write_report(runs, folder.report());
  if (a.json) {
    std::cout << read_json(folder.results()).dump(2) << "\n";
  } else {
    std::cout << comparison_table(runs);
    log().info("report: {}", folder.report().string());
  }
}

void start(const TrainArguments& a) {
  Configuration configuration;
  if (!a.config.empty()) configuration.options.load_yaml(a.config);
  configuration.set(a.settings);
  if (!a.memory.empty()) configuration.recipe.memory = a.memory;
  const RunFolder folder(configuration.recipe.output);
  if (folder.exists()) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[train] {} holds a run already", folder.path().string()),
                fmt::format("Go on with it by `ilora train --resume {}`, or choose another folder "
                            "(--set output=...).",
                            folder.path().string()));
  }
  run_training(configuration, false, a);
}

void resume(const TrainArguments& a) {
  const RunFolder folder = open_run(a.resume);
  check_resume_settings(a.settings);
  const auto configuration = configuration_of(folder);
  configuration->set(a.settings);
  // Killed before its first checkpoint: begin anew.
  const bool restore = fs::exists(folder.state());
  if (!restore) folder.truncate_metrics(0);
  run_training(*configuration, restore, a);
}

void continue_run(const TrainArguments& a) {
  const RunFolder folder = open_run(a.continue_run);
  const auto configuration = configuration_of(folder);
  Recipe& recipe = configuration->recipe;
  if (!fs::exists(folder.results()) ||
      read_json(folder.results()).value("status", "") != "finished") {
    throw Error(ErrorKind::kUsage,
                fmt::format("[train] {} is not finished", folder.path().string()),
                fmt::format("First: ilora train --resume {}", folder.path().string()));
  }
  if (a.tasks.empty()) {
    throw Error(ErrorKind::kUsage, "[train] --continue needs a task to learn", "Add --task DIR.");
  }
  // The tasks so far, by name where they were found in the folder, then the new ones.
  std::vector<std::string> tasks;
  for (const fs::path& path : recipe.task_folders())
    tasks.push_back(fs::relative(path, recipe.data_folder).string());
  for (const std::string& task : a.tasks) {
    read_task(task, recipe.limits(task_name(task)));  // an error now, before anything is changed
    tasks.push_back(fs::absolute(task).lexically_normal().string());
  }
  configuration->set(a.settings);
  recipe.tasks = tasks;
  run_training(*configuration, true, a);
}

}  // namespace

void add_train(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "train", "train on tasks in order; resume; teach a finished run one more task");
  auto a = std::make_shared<TrainArguments>();
  command->add_option("config", a->config, "a YAML file; see examples/");
  command->add_option("--set", a->settings, "key=value, overrides the configuration (repeatable)");
  command->add_option("--resume", a->resume, "go on with an interrupted run");
  command->add_option("--continue", a->continue_run, "teach a finished run more tasks (--task)");
  command->add_option("--task", a->tasks, "with --continue: a task's folder (repeatable)");
  command->add_flag("--options", a->show_options, "list every option of a configuration");
  command->add_option("--memory", a->memory,
                      "engine.memory, such as 4GiB: the fastest step that fits");
  command->add_flag("--profile", a->profile,
                    "time per operation: a table at the end, and profile.json in the run's folder");
  command->add_flag("--json", a->json, "print results.json instead of a table");
  command->callback([a] {
    if (a->show_options) {
      std::cout << Configuration().options.help_text();
    } else if (!a->resume.empty()) {
      resume(*a);
    } else if (!a->continue_run.empty()) {
      continue_run(*a);
    } else if (a->config.empty() && a->settings.empty()) {
      throw Error(
          ErrorKind::kUsage, "[train] no configuration is given",
          "Name a YAML file (examples/ has some), --resume RUN or --continue RUN --task DIR.");
    } else {
      start(*a);
    }
  });
}

}  // namespace ilora
