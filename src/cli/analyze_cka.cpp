// ilora analyze cka: how alike the hidden states of checkpoints are, layer by layer, on each task's
// rows.
#include <algorithm>

#include "analysis/hidden.h"
#include "base/error.h"
#include "base/progress.h"
#include "cli/analyze.h"
#include "cli/console.h"
#include "eval/fed_prompt.h"
#include "model/prompt_pool.h"
#include "report/figures.h"

namespace ilora {
namespace {

struct CkaArguments : AnalyzeOptions {
  std::string learner, to_run;
};

// Prompts of a task as they are fed, with room for one token: no answer follows.
std::vector<std::vector<int32_t>> prompts_of(const Encoder& encoder, const TaskEval& task,
                                             const Answerer& answerer) {
  std::vector<std::vector<int32_t>> prompts;
  for (size_t i = 0; i < task.rows.size(); ++i)
    prompts.push_back(fed_prompt(encoder, task.rows[i], task.where(i), 1, answerer));
  return prompts;
}

// Hidden states of one task's rows under the base model and every checkpoint.
struct TaskStates {
  std::vector<std::string> names;
  std::vector<HiddenStates> states;
};

TaskStates states_of(AnalyzedRun& run, AnalyzedRun* other, const CkaArguments& a,
                     const TaskEval& task, Progress& progress) {
  Engine& engine = run.bench().engine;
  TaskStates result;
  const auto add = [&](const std::string& name, const Answerer& answerer) {
    const auto prompts = prompts_of(run.bench().encoder, task, answerer);
    result.names.push_back(name);
    result.states.push_back(hidden_states(engine, prompts, answerer.uses));
    progress.advance();
  };
  const auto add_run = [&](const AnalyzedRun& from, const std::string& suffix) {
    const std::string learner = from.learner(suffix.empty() ? a.learner : "");
    for (const int64_t k : from.saved_tasks()) {
      const Adapter adapter = run.adapter(from.checkpoint(k, learner));
      add(fmt::format("task {}{}", k, suffix), answerer_of(engine, adapter));
    }
  };
  add("base", {});
  add_run(run, "");
  if (other != nullptr) add_run(*other, fmt::format(" of {}", other->label()));
  return result;
}

// Among the states, the run's checkpoint after which a task was learned; its last one where there
// is none of its own (tasks that were learned together, or not yet).
size_t state_that_learned(const AnalyzedRun& run, const std::string& task) {
  const std::vector<std::string>& names = run.task_names();
  const int64_t number = std::find(names.begin(), names.end(), task) - names.begin() + 1;
  const std::vector<int64_t> saved = run.saved_tasks();
  const auto at = std::find(saved.begin(), saved.end(), number);
  return at == saved.end() ? saved.size() : static_cast<size_t>(at - saved.begin()) + 1;
}

// One line per later checkpoint: CKA with the checkpoint after which the task was known.
Json drift_view(const std::string& task, size_t learned, const TaskStates& t) {
  Json x = Json::array(), series = Json::array();
  for (size_t l = 0; l < t.states.front().size(); ++l) x.push_back(l);
  for (size_t k = 0; k < t.states.size(); ++k) {
    if (k == learned) continue;
    series.push_back({{"name", t.names[k]}, {"values", layer_cka(t.states[learned], t.states[k])}});
  }
  return {{"name", fmt::format("{}, against {}", task, t.names[learned])},
          {"x", x},
          {"series", series}};
}

// Every checkpoint against every other, at the last layer.
Json matrix_view(const std::string& task, const TaskStates& t) {
  Json z = Json::array();
  for (const HiddenStates& row : t.states) {
    Json cells = Json::array();
    for (const HiddenStates& column : t.states)
      cells.push_back(layer_cka({row.back()}, {column.back()}).front());
    z.push_back(cells);
  }
  return {{"name", task}, {"x", t.names}, {"y", t.names}, {"z", z}};
}

void analyze_cka(const CkaArguments& a) {
  AnalyzedRun run(a);
  std::optional<AnalyzedRun> other;
  if (!a.to_run.empty()) other.emplace(a.to_run);
  const std::vector<TaskEval> tasks = run.evals(parse_split(a.split));
  Json drift = Json::array(), matrices = Json::array(), detail = Json::object();
  NumberTable csv{{"task", "against", "checkpoint", "layer", "cka"}, {}};
  std::string terminal =
      "CKA of hidden states at the last layer, against the checkpoint after "
      "which the task was learned:\n";
  const size_t checkpoints =
      1 + run.saved_tasks().size() + (other ? other->saved_tasks().size() : size_t{0});
  Progress progress(log(), "hidden states", static_cast<int64_t>(checkpoints * tasks.size()),
                    "checkpoint");
  for (size_t t = 0; t < tasks.size(); ++t) {
    if (tasks[t].rows.size() < 4) {
      throw Error(ErrorKind::kData,
                  fmt::format("[analyze] CKA needs at least 4 rows, task {} has {}", tasks[t].name,
                              tasks[t].rows.size()),
                  "Raise --rows, or choose the other split.");
    }
    const TaskStates states = states_of(run, other ? &*other : nullptr, a, tasks[t], progress);
    const size_t learned = state_that_learned(run, tasks[t].name);
    Json view = drift_view(tasks[t].name, learned, states);
    terminal += fmt::format("{:<16}", tasks[t].name);
    for (const Json& series : view["series"]) {
      const auto values = series["values"].get<std::vector<double>>();
      detail[tasks[t].name][series["name"].get<std::string>()] = values;
      terminal += fmt::format("  {} {:.3f}", series["name"].get<std::string>(), values.back());
      for (size_t l = 0; l < values.size(); ++l)
        csv.rows.push_back({tasks[t].name, states.names[learned], series["name"],
                            fmt::format("{}", l), csv_number(values[l])});
    }
    terminal += "\n";
    drift.push_back(std::move(view));
    matrices.push_back(matrix_view(tasks[t].name, states));
  }
  progress.finish();
  Json result = analysis_result(run, "cka", "Drift of representations");
  result["split"] = a.split;
  result["drift"] = detail;
  result["text"] = {
      "Linear CKA of hidden states at the last token of each prompt, where the answer is predicted "
      "(unbiased, minibatches of 32 rows; 1: the same up to rotation and scale). A task's rows "
      "under each checkpoint are compared with those under the checkpoint after which it was "
      "learned."};
  result["figures"] = {
      lines_figure({"drift", "CKA by layer", "layer (0: embedding)", "CKA"}, drift),
      map_figure({"matrix", "CKA between checkpoints, last layer", "", "", "CKA"}, matrices)};
  finish_analysis(run, a, result, csv, terminal);
}

}  // namespace

void add_analyze_cka(CLI::App& analyze) {
  CLI::App* command = analyze.add_subcommand(
      "cka", "similarity of hidden states between checkpoints, by layer and task");
  auto a = std::make_shared<CkaArguments>();
  a->add(*command, "cka");
  command->add_option("--learner", a->learner, "whose checkpoints (default: the one that answers)");
  command->add_option("--to-run", a->to_run, "another run's checkpoints too, on the same rows");
  a->add_measured(*command);
  command->callback([a] { analyze_cka(*a); });
}

}  // namespace ilora
