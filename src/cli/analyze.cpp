// ilora analyze: what lies between and around a run's checkpoints (docs/connectivity.md). The
// analyses are in the files analyze_*.cpp.
#include "cli/analyze.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "base/error.h"
#include "base/file.h"
#include "cli/console.h"
#include "model/peft.h"
#include "report/figures.h"
#include "report/report.h"
#include "runs/schema.h"
#include "runs/seal.h"

namespace ilora {

namespace fs = std::filesystem;

void AnalyzeOptions::add(CLI::App& command, const std::string& default_name) {
  name = default_name;
  command.add_option("run", run, "a run folder")->required();
  command
      .add_option("--set", settings, "key=value, overrides the run's configuration (repeatable)")
      ->allow_extra_args(false);
  command.add_option("--name", name, "the results' name in RUN/analysis")
      ->capture_default_str()
      ->check([](const std::string& text) {
        const bool plain = !text.empty() && text.find_first_not_of(
                                                "abcdefghijklmnopqrstuvwxyz"
                                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                "0123456789-_") == std::string::npos;
        return plain ? std::string() : "expected letters, digits, - and _, got '" + text + "'";
      });
  command.add_flag("--json", json, "print the results as JSON");
}

void AnalyzeOptions::add_task(CLI::App& command) {
  command.add_option("--task", tasks, "a task to measure (repeatable; default: all)")
      ->allow_extra_args(false);
}

void AnalyzeOptions::add_measured(CLI::App& command) {
  add_task(command);
  command.add_option("--rows", rows, "most rows of each task; 0: all")->check(not_below_zero());
  command.add_option("--split", split, "test or eval")->check(CLI::IsMember({"test", "eval"}));
}

bool AnalyzeOptions::includes(const std::string& task) const {
  return tasks.empty() || std::find(tasks.begin(), tasks.end(), task) != tasks.end();
}

std::pair<int64_t, int64_t> parse_pair(const std::string& text) {
  int64_t a = 0, b = 0;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%ld,%ld%c", &a, &b, &rest) != 2) {
    throw Error(ErrorKind::kUsage, fmt::format("[analyze] expected --pair A,B, got '{}'", text),
                "Two numbers of tasks, from 1, such as --pair 1,2.");
  }
  return {a, b};
}

AnalyzedRun::AnalyzedRun(const std::string& path)
    : folder_(open_run(path)), configuration_(configuration_of(folder_)) {
  warn_each(configuration_->warnings);
  require_adapters();
  results_ = read_run_file<Results>(folder_);
}

AnalyzedRun::AnalyzedRun(const AnalyzeOptions& options) : AnalyzedRun(options.run) {
  configuration_->set(options.settings);
  options_ = options;
}

void AnalyzedRun::require_adapters() const {
  if (folder_.last_task() > 0 && fs::exists(folder_.path(Results::kFile))) return;
  throw Error(
      ErrorKind::kFile, fmt::format("[analyze] {} has no checkpoints", folder_.path().string()),
      "A run has adapters once its first task is learned; zero-shot and constant have none.");
}

std::string AnalyzedRun::label() const {
  return fmt::format("{}, seed {}", results_.method, results_.seed.value_or(0));
}

std::string AnalyzedRun::learner(const std::string& asked) const {
  if (!asked.empty()) return asked;
  return results_.deployed.empty() ? "fast" : results_.deployed;
}

fs::path AnalyzedRun::checkpoint(int64_t task, const std::string& learner) const {
  fs::path path = folder_.adapter(task, learner);
  if (task >= 1 && fs::is_directory(path)) return path;
  const bool known = task >= 1 && fs::is_directory(folder_.task(task));
  throw Error(ErrorKind::kFile,
              fmt::format("[analyze] {} has no adapter of learner {} after task {}",
                          folder_.path().string(), learner, task),
              known
                  ? fmt::format("Its learners are: {}.", fmt::join(folder_.learners(task), ", "))
                  : fmt::format("It has checkpoints of tasks {}.", fmt::join(saved_tasks(), ", ")));
}

std::vector<int64_t> AnalyzedRun::saved_tasks() const {
  std::vector<int64_t> tasks;
  for (int64_t k = 1; k <= folder_.last_task(); ++k) {
    if (fs::is_directory(folder_.task(k))) tasks.push_back(k);
  }
  return tasks;
}

const ModelConfig& AnalyzedRun::config() {
  if (model_ != nullptr) return model_->config();
  if (!files_) files_ = open_model(recipe().model_options());
  return files_->config();
}

Workbench& AnalyzedRun::bench() {
  if (bench_ != nullptr) return *bench_;
  threads_.emplace(recipe().threads);
  ModelFiles files = files_ ? std::move(*files_) : open_model(recipe().model_options());
  files_.reset();
  say_left_out(files);
  warn_of(model_change(folder_, files));
  model_ = std::make_unique<LoadedModel>(std::move(files), recipe().model_options());
  bench_ = std::make_unique<Workbench>(*model_, recipe());
  return *bench_;
}

void AnalyzedRun::compare_base(const AnalyzedRun& other) const {
  const auto base = [](const Recipe& r) {
    return fmt::format("{} (data.template {})", fs::weakly_canonical(r.model).string(),
                       r.text_template);
  };
  if (base(recipe()) == base(other.recipe())) return;
  log().warn("{} was trained on {}, and is measured on {}: its scores are not those of that run",
             other.folder().path().string(), base(other.recipe()), base(recipe()));
}

Adapter AnalyzedRun::adapter(const fs::path& folder) {
  return load_peft(folder, config());
}

const std::vector<TaskText>& AnalyzedRun::texts(const std::vector<fs::path>& others) {
  if (!texts_.empty()) return texts_;
  // Where both are eval, test.json is not opened.
  const bool eval_alone =
      options_.split == "eval" && (options_.choose.empty() || options_.choose == "eval");
  const Split scored = eval_alone ? Split::kEval : Split::kTest;
  std::vector<fs::path> folders = recipe().task_folders();
  const size_t own = folders.size();
  folders.insert(folders.end(), others.begin(), others.end());
  std::vector<std::string> names;
  for (size_t t = 0; t < folders.size(); ++t) {
    const std::string name = task_name(folders[t]);
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    names.push_back(name);
    if (!options_.includes(name)) continue;
    TaskLimits limits = recipe().limits(name);
    if (options_.rows > 0) limits.eval = limits.test = options_.rows;
    texts_.push_back(read_task(folders[t], limits, scored));
    measures_.push_back(t < own ? recipe().measure_of(t) : "auto");
  }
  for (const std::string& task : options_.tasks) {
    if (std::find(names.begin(), names.end(), task) != names.end()) continue;
    throw Error(ErrorKind::kUsage, fmt::format("[analyze] no task is called {} (--task)", task),
                fmt::format("There are: {}.", fmt::join(names, ", ")));
  }
  return texts_;
}

std::vector<TaskEval> AnalyzedRun::evals(Split split) {
  std::vector<TaskEval> evals;
  for (size_t t = 0; t < texts().size(); ++t) {
    evals.push_back(make_task_eval(texts_[t], split, measures_[t]));
  }
  return evals;
}

Landscape AnalyzedRun::landscape(Split split) {
  std::vector<TaskEval> tasks = evals(split);
  Landscape landscape(bench().engine, bench().encoder, {recipe().max_new_tokens}, std::move(tasks));
  for (const std::string& note : landscape.notes()) log().info("{}", note);
  return landscape;
}

std::vector<Row> AnalyzedRun::training_rows(const std::vector<std::string>& tasks) {
  std::vector<Row> rows;
  for (const TaskText& text : texts()) {
    if (std::find(tasks.begin(), tasks.end(), text.name) == tasks.end()) continue;
    for (size_t i = 0; i < text.train.size(); ++i)
      rows.push_back(
          bench().encoder.encode(text.train[i], 0, rows.size(), text.where(Split::kTrain, i)));
  }
  return rows;
}

std::string NumberTable::text() const {
  std::string out = csv_line(header);
  for (const auto& row : rows) out += csv_line(row);
  return out;
}

Json analysis_result(const AnalyzedRun& run, const std::string& analysis,
                     const std::string& title) {
  return {{"schema", Analysis::kSchema},
          {"analysis", analysis},
          {"title", title},
          {"run", run.label()}};
}

void finish_analysis(const AnalyzedRun& run, const AnalyzeOptions& options, const Json& result,
                     const NumberTable& csv, const std::string& terminal) {
  const fs::path folder = run.folder().analysis();
  make_folder(folder);
  write_json(folder / (options.name + ".json"), sealed(result));
  write_file_atomic(folder / (options.name + ".csv"), csv.text());
  const std::vector<fs::path> runs = {run.folder().path()};
  write_report(runs, run.folder().report());
  if (options.json) {
    Json shown = result;
    shown.erase("figures");
    std::cout << json_text(shown) << "\n";
  } else {
    std::cout << terminal;
  }
  std::optional<int> pictures;
  try {
    pictures = draw_figures(result, folder, options.name);
    if (!pictures)
      log().warn("no SVG and PNG: gnuplot is not installed (Debian: apt-get install gnuplot-nox)");
  } catch (const Error& e) {
    log().warn("{}", e.what());
  }
  log().info("{}: {}.json, .csv{}; report: {}", folder.string(), options.name,
             pictures ? fmt::format(", {} pictures", *pictures) : "",
             run.folder().report().string());
}

void add_analyze(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "analyze", "what lies between and around a run's checkpoints; pictures in its report");
  command->require_subcommand(1);
  add_analyze_path(*command);
  add_analyze_plane(*command);
  add_analyze_distance(*command);
  add_analyze_cka(*command);
  add_analyze_subspace(*command);
  add_analyze_sharpness(*command);
}

}  // namespace ilora
