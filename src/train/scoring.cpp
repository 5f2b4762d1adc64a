#include "train/scoring.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "eval/constant_answer.h"
#include "runs/best_learner.h"
#include "runs/metrics.h"
#include "runs/sealed_files.h"

namespace ilora {

Scoring::Scoring(const Recipe& recipe, Method& method, Run& run, Workbench& bench,
                 const RunFolder& folder, const std::vector<TaskText>& tasks,
                 TrainingObserver& observer)
    : recipe_(recipe),
      method_(method),
      run_(run),
      bench_(bench),
      folder_(folder),
      observer_(observer),
      evaluator_(bench.engine, bench.encoder, {recipe.max_new_tokens}),
      probes_(bench.encoder, recipe.probe) {
  std::vector<std::string> names, measures;
  for (size_t t = 0; t < tasks.size(); ++t) {
    tasks_.push_back(make_task_eval(tasks[t], recipe.evaluated_split(), recipe.measure_of(t)));
    if (const std::string note = evaluator_.check(tasks_.back()); !note.empty())
      observer_.message(note);
    if (method.answers_constantly())
      constant_.push_back(most_frequent_answer(tasks_.back(), tasks[t].train));
    names.push_back(tasks[t].name);
    measures.emplace_back(tasks_.back().measure->name);
  }
  scores_.set_tasks(names, measures);
  references_ = read_references();
}

bool Scoring::evaluate(int64_t row) {
  const bool whole =
      recipe_.matrix == "full" || row == 0 || row == static_cast<int64_t>(tasks_.size());
  std::vector<ScoredRows> found;
  for (size_t column = 0; column < tasks_.size(); ++column) {
    const bool just_learned = static_cast<int64_t>(column) == row - 1;
    if (!whole && (recipe_.matrix == "last" || !just_learned)) continue;
    for (ScoredRows& rows : evaluate_task(row, column)) found.push_back(std::move(rows));
    if (observer_.stop_requested()) return false;
  }
  if (!found.empty()) keep_rows(row, whole, found);
  if (!probes_.empty()) probe(row);
  tell(row);
  if (row == static_cast<int64_t>(tasks_.size())) {
    if (const auto behind = learner_ahead(found, scores_.tasks(), method_.deployed()))
      observer_.warning(behind->text());
  }
  return true;
}

void Scoring::repeat(int64_t from, int64_t to) {
  scores_.repeat_row(static_cast<size_t>(from), static_cast<size_t>(to));
  tell(to);
}

void Scoring::begin_learners() {
  for (const std::string& learner : method_.scored(run_)) scores_.begin_learner(learner, "fast");
}

size_t Scoring::restore(ScoreBook scores) {
  const std::vector<std::string> names = scores_.tasks(), measures = scores_.measures();
  scores_ = std::move(scores);
  const std::vector<std::string> known = scores_.tasks();
  if (known.size() > names.size() || !std::equal(known.begin(), known.end(), names.begin())) {
    throw Error(
        ErrorKind::kUsage,
        fmt::format("[train] the checkpoint knows the tasks {}, the configuration {} ({})",
                    fmt::join(known, ", "), fmt::join(names, ", "), folder_.config().string()),
        "data.tasks begins with the tasks that were learned, in their order.");
  }
  for (size_t column = 0; column < known.size(); ++column) {
    if (scores_.measures()[column] == measures[column]) continue;
    throw Error(
        ErrorKind::kUsage,
        fmt::format("[train] {} was measured by {} so far, and is by {} now (eval.measures)",
                    known[column], scores_.measures()[column], measures[column]),
        "Scores of two measures cannot be compared; new tasks alone may have others.");
  }
  scores_.set_tasks(names, measures);
  return known.size();
}

void Scoring::stop_if_requested() const {
  if (!observer_.stop_requested()) return;
  throw Error(ErrorKind::kInterrupted, "[train] stopped while the new tasks were scored",
              "Nothing has changed: the same command begins again.");
}

void Scoring::evaluate_base(size_t first) {
  for (size_t column = first; column < tasks_.size(); ++column) {
    stop_if_requested();
    const Answerer start = method_.answer_with(run_, "fast", static_cast<int64_t>(column));
    evaluate_learners({"fast"}, {&start, 1}, 0, column);
  }
}

void Scoring::evaluate_untaught(size_t first, std::optional<int64_t> row) {
  for (size_t column = first; column < tasks_.size(); ++column) {
    stop_if_requested();
    const double base = *scores_.get("fast", 0, column);
    for (const std::string& learner : method_.scored(run_)) scores_.set(learner, 0, column, base);
    if (row) evaluate_task(*row, column);
  }
}

// All learners that are scored on one task, together.
std::vector<ScoredRows> Scoring::evaluate_task(int64_t row, size_t column) {
  const std::vector<std::string> learners = method_.scored(run_);
  std::vector<Answerer> answerers;
  answerers.reserve(learners.size());
  for (const std::string& learner : learners)
    answerers.push_back(method_.answer_with(run_, learner, static_cast<int64_t>(column)));
  const std::vector<TaskScore> found = evaluate_learners(learners, answerers, row, column);
  std::vector<ScoredRows> scored;
  for (size_t i = 0; i < learners.size(); ++i) {
    scored.push_back({tasks_[column].name, learners[i], row, recipe_.split, {}});
    for (const RowScore& one : found[i].rows) scored.back().scores.push_back(one.score);
  }
  return scored;
}

std::vector<TaskScore> Scoring::evaluate_learners(const std::vector<std::string>& learners,
                                                  std::span<const Answerer> answerers, int64_t row,
                                                  size_t column) {
  const TaskEval& task = tasks_[column];
  observer_.scoring(learners, task.name);
  std::vector<TaskScore> found =
      constant_.empty()
          ? evaluator_.evaluate_each(task, answerers)
          : std::vector<TaskScore>(learners.size(), score_constant(task, constant_[column]));
  observer_.scored();
  for (size_t i = 0; i < learners.size(); ++i) {
    scores_.set(learners[i], static_cast<size_t>(row), column, found[i].score);
    append_sealed(folder_, EvalEvent{row, task.name, learners[i], std::string(task.measure->name),
                                     found[i].score});
  }
  return found;
}

// What the deployed learner still knows of everything else, after `row` tasks.
void Scoring::probe(int64_t row) {
  const std::string learner =
      run_.find(method_.deployed()) != nullptr ? method_.deployed() : "fast";
  const Answerer answerer = method_.answer_with(run_, learner, std::max<int64_t>(row - 1, 0));
  for (const Probes::Value& probed : probes_.measure(bench_.engine, answerer)) {
    scores_.set_probe(probed.name, probed.measure, static_cast<size_t>(row), probed.value);
    append_sealed(folder_, ProbeEvent{row, probed.name, learner, probed.measure, probed.value});
    observer_.message(fmt::format("{} of {}: {:.4g}", probed.measure, probed.name, probed.value));
  }
}

// rows.jsonl has each task right after it was learned, and the latest evaluation of all tasks.
void Scoring::keep_rows(int64_t row, bool whole, const std::vector<ScoredRows>& found) const {
  const std::vector<std::string>& tasks = scores_.tasks();
  std::string lines;
  for (const ScoredRows& earlier : read_run_lines<ScoredRows>(folder_)) {
    if (earlier.after >= row) continue;  // of a run that was stopped behind it, and is resumed
    const auto task = std::find(tasks.begin(), tasks.end(), earlier.task);
    if (!whole || task - tasks.begin() == earlier.after - 1)
      lines += sealed_line(json_of(earlier)) + "\n";
  }
  for (const ScoredRows& rows : found) lines += sealed_line(json_of(rows)) + "\n";
  write_file_atomic(folder_.path(ScoredRows::kFile), lines);
}

void Scoring::tell(int64_t row) const {
  std::string line;
  for (size_t column = 0; column < tasks_.size(); ++column) {
    const auto score = scores_.get(method_.deployed(), static_cast<size_t>(row), column);
    const auto shown = score ? score : scores_.get("fast", static_cast<size_t>(row), column);
    if (shown) line += fmt::format("  {} {:.3f}", tasks_[column].name, *shown);
  }
  if (line.empty()) return;
  const std::string when = row == 0 ? "before training" : fmt::format("after task {}", row);
  observer_.message(fmt::format("{}:{}", when, line));
}

std::vector<Score> Scoring::read_references() const {
  if (recipe_.references.empty()) return {};
  std::vector<Score> scores(tasks_.size());
  for (const std::string& run : recipe_.references) add_references(scores, run);
  return scores;
}

void Scoring::add_references(std::vector<Score>& scores, const std::string& run) const {
  const auto results = read_run_file<Results>(open_run(run));
  if (!results.finished())
    throw Error(ErrorKind::kUsage, fmt::format("[eval] {} is not finished (eval.references)", run));
  if (const std::string& own = bench_.model.config().name; results.model != own)
    throw Error(ErrorKind::kUsage,
                fmt::format("[eval] {} is a run of {} (eval.references), and this one of {}", run,
                            results.model, own));
  for (size_t column = 0; column < tasks_.size(); ++column) {
    const auto there = results.column(tasks_[column].name);
    if (!there) continue;
    if (results.measure(*there) != scores_.measures()[column]) {
      throw Error(ErrorKind::kUsage,
                  fmt::format("[eval] {} is measured by {} in {} (eval.references), and by {} here",
                              tasks_[column].name, results.measure(*there), run,
                              scores_.measures()[column]),
                  "A reference's score must be of the same measure.");
    }
    // Just after the task; in a run of all tasks together, at the end.
    const Score learned = score_at(results.scores, *there + 1, *there);
    const Score score =
        learned ? learned : score_at(results.scores, results.scores.size() - 1, *there);
    if (score) scores[column] = score;
  }
}

}  // namespace ilora
