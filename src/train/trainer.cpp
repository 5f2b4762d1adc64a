#include "train/trainer.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/denormals.h"
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "base/sync.h"
#include "model/adapter_file.h"
#include "model/losses/loss_rules.h"
#include "model/peft.h"
#include "runs/metrics.h"
#include "runs/sealed_files.h"
#include "runs/written_lines.h"
#include "train/environment.h"
#include "train/made_from.h"
#include "train/run_warnings.h"
#include "train/schedule.h"

namespace ilora {
namespace {

Adapter first_adapter(const Recipe& recipe, const Method& method, const ModelFiles& files) {
  const ModelConfig& config = files.config();
  method.check(config);
  const LoraOptions options = method.adapter(recipe.lora);
  if (!recipe.start_adapter.empty()) {
    if (options.prompts.rows > 0) {
      throw Error(ErrorKind::kUsage,
                  fmt::format("[train] method {} learns soft prompts: it cannot start from the "
                              "adapter {} (lora.start)",
                              recipe.method, recipe.start_adapter));
    }
    Adapter adapter = load_adapter(recipe.start_adapter, files);
    adapter.set_dropout(options.dropout);
    return adapter;
  }
  Adapter adapter(config, options);
  adapter.initialise(static_cast<uint64_t>(recipe.seed), 0);
  return adapter;
}

// The training rows of each task. A row's identity is its task and its number in the task's file.
std::vector<std::vector<Row>> encode_rows(const Encoder& encoder,
                                          const std::vector<TaskText>& tasks,
                                          TrainingObserver& observer) {
  std::vector<std::vector<Row>> all;
  for (size_t t = 0; t < tasks.size(); ++t) {
    std::vector<Row>& rows = all.emplace_back();
    int64_t cut = 0;
    for (size_t i = 0; i < tasks[t].train.size(); ++i) {
      const int64_t number = row_number(tasks[t].train[i], i);
      int64_t left_out = 0;
      rows.push_back(encoder.encode(tasks[t].train[i], static_cast<int32_t>(t), row_id(t, number),
                                    tasks[t].where(Split::kTrain, i), &left_out));
      if (left_out > 0) ++cut;
    }
    if (cut == 0) continue;
    const bool turns =
        std::ranges::any_of(tasks[t].train, [](const Example& row) { return !row.turns.empty(); });
    observer.message(fmt::format("{}: {} of {} training {} are cut to fit data.max_length {}{}",
                                 tasks[t].name, cut, rows.size(), turns ? "rows" : "prompts",
                                 encoder.max_length(),
                                 turns ? ": conversations lose their earliest turns" : ""));
  }
  return all;
}

// The kinds of loss that a pass has, in this or in another process.
std::vector<LossKind> kinds_of(const PassReport& report) {
  std::vector<LossKind> kinds;
  for (size_t i = 0; i < kLossKinds; ++i) {
    if (report.denominators.values[i] > 0) kinds.push_back(static_cast<LossKind>(i));
  }
  return kinds;
}

// A step's pass with the losses of one kind alone, its gradient in another vector.
Pass only(LossKind kind, Pass pass, Tensor gradient) {
  for (Segment& segment : pass.segments) {
    for (Loss& loss : segment.losses) {
      if (loss.kind != kind) loss.weight = 0;
    }
    for (AdapterUse& use : segment.uses) {
      if (use.gradient) use.gradient = gradient;
    }
  }
  return pass;
}

}  // namespace

Trainer::Trainer(const Recipe& recipe, const OptionList& options, Method& method, Workbench& bench,
                 const std::vector<TaskText>& tasks, TrainingObserver* observer)
    : recipe_(recipe),
      options_(options),
      method_(method),
      bench_(bench),
      observer_(observer != nullptr ? *observer : nobody_),
      folder_(recipe.output),
      train_rows_(encode_rows(bench.encoder, tasks, observer_)),
      run_(bench.engine, first_adapter(recipe, method, bench.model.files),
           static_cast<uint64_t>(recipe.seed), recipe.loss(), comm_),
      optimizer_(bench.engine.kernels(), recipe, run_.fast().layout().size()),
      scoring_(recipe, method, run_, bench, folder_, tasks, observer_),
      made_from_(describe_sources(recipe, options, bench.model.files, tasks)) {
  warn_of_wording(tasks, recipe, observer_);
  warn_of_template(tasks, bench.encoder.tokenizer().chat_template(), recipe, observer_);
  for (size_t t = 0; t < tasks.size(); ++t) {
    StreamTask& task = stream_.emplace_back();
    task.name = tasks[t].name;
    task.rows = row_pointers(train_rows_[t]);
    task.steps = recipe.epochs * steps_per_epoch(task);
    task.learned = static_cast<int64_t>(t) + 1;
  }
  stream_ = method.stream(std::move(stream_));
  if (trains() && !recipe.start_adapter.empty() && run_.fast().layout().blocks().empty()) {
    throw Error(
        ErrorKind::kUsage,
        fmt::format("[train] {} (lora.start) holds soft prompts alone, which method {} does "
                    "not train",
                    recipe.start_adapter, recipe.method),
        "Start from a LoRA adapter; zero-shot scores either.");
  }
  if (trains() && run_.fast().layout().size() == 0) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[train] method {} has nothing to train: no linear map carries LoRA "
                            "(lora.targets)",
                            recipe.method),
                "Name at least one, such as q_proj.");
  }
  require_room_for_prompts(bench.model.config().context);
  run_.position.tasks = static_cast<int64_t>(stream_.size());
}

// Soft prompts come on top of rows: said now, not at the step that they no longer fit.
void Trainer::require_room_for_prompts(int64_t context) const {
  const auto tasks = static_cast<int64_t>(train_rows_.size());
  const int64_t prompts = method_.footprint(bench_.model.config(), tasks).soft_prompts;
  int64_t longest = 0;
  for (const std::vector<Row>& rows : train_rows_)
    for (const Row& row : rows) longest = std::max(longest, row.length());
  if (prompts == 0 || longest + prompts <= context) return;
  throw Error(
      ErrorKind::kUsage,
      fmt::format("[train] {} puts up to {} soft prompts in front of rows of up to {} tokens "
                  "({}.length), and the model's context holds {}",
                  recipe_.method, prompts, longest, recipe_.method, context),
      "Shorten the soft prompts, or cut rows by data.max_length.");
}

void Trainer::run() {
  const FlushDenormals flush;
  warn_of_few_steps(std::span(stream_).subspan(static_cast<size_t>(run_.position.task)), recipe_,
                    observer_);
  make_folder(folder_.path());
  const bool is_new = !std::filesystem::exists(folder_.config());
  if (is_new) write_file_atomic(folder_.config(), options_.to_yaml());
  // From here on a run that fails is to be resumed, also one that was finished and learns more: that
  // is said before its configuration has the new task, which is as good as learned where it is finished.
  if (run_.position.task < run_.position.tasks) write_results("running");
  if (!is_new) write_file_atomic(folder_.config(), options_.to_yaml());
  if (rows_scored_ == 0 && scores_base()) {
    evaluate(0);
    save();
  }
  while (run_.position.task < run_.position.tasks) learn_task();
  write_results("finished");
}

void Trainer::learn_task() {
  Position& at = run_.position;
  at.task_steps = current().steps;
  const std::string& name = current().name;
  // Where a method begins each task with values of its own, moments of others mean nothing.
  optimizer_.begin_task(method_.answers_by_task(), at.task_step);
  run_.task_rows = current().rows;
  method_.begin_task(run_);
  scoring_.begin_learners();

  observer_.task_begun({name, at.task + 1, at.tasks, at.task_step, at.task_steps});
  while (at.task_step < at.task_steps) {
    step(batch(at.task_step));
    const bool due = recipe_.checkpoint_every > 0 && at.step % recipe_.checkpoint_every == 0;
    const bool stop_now = observer_.stop_requested();
    if (due || stop_now) save();
    if (stop_now) stop(fmt::format("after step {}; a checkpoint is written", at.step));
  }
  observer_.task_done();
  save();  // where an evaluation that is interrupted goes on from: end_task runs once

  end_task();
  evaluate(current().learned);
  save_adapters();
  append_sealed(folder_, TaskEndEvent{name, at.task, at.step});
  own_files_.record_lines();
  ++at.task;
  at.task_step = 0;
  at.epoch = 0;
  save();
  write_results(at.task == at.tasks ? "finished" : "running");
}

// The method's work between tasks counts as training.
void Trainer::end_task() {
  const double began = seconds_now();
  method_.end_task(run_);
  if (current().steps > 0) train_seconds_ += seconds_now() - began;
  train_tokens_ += run_.take_extra_tokens();
}

// One optimiser step: what every method has in common (step.h), and what is told of it.
void Trainer::step(const std::vector<const Row*>& rows) {
  const double began = seconds_now();
  Position& at = run_.position;
  at.epoch = at.task_step / steps_per_epoch(current());
  const double rate = method_.rate_factor() * scheduled_rate(recipe_, at.task_step, at.task_steps);
  Figures norms;
  const Step step = compute_gradient(
      run_, method_, rows, [&](const Step& plain) { norms = term_gradient_norms(plain); });
  for (const auto& [name, term] : run_.own_terms()) norms.emplace_back(name, term.gradient_norm);
  norms.emplace_back("total", apply_update(run_, method_, optimizer_, step, rate,
                                           {current().name, scoring_.scores().tasks()}));
  const double seconds = seconds_now() - began;
  train_seconds_ += seconds;
  record(step, std::move(norms), rate, seconds);
}

// The rows of a step in a task: each epoch has an order of its own.
std::vector<const Row*> Trainer::batch(int64_t task_step) const {
  const std::vector<const Row*>& all = current().rows;
  const auto count = static_cast<int64_t>(all.size());
  const int64_t per_epoch = steps_per_epoch(current());
  const int64_t epoch = task_step / per_epoch, first = task_step % per_epoch * recipe_.batch_size;
  const auto substream =
      static_cast<uint64_t>(run_.position.task) << 32 | static_cast<uint64_t>(epoch);
  const std::vector<int64_t> order =
      Random(run_.seed, Stream::kDataOrder, substream).permutation(count);
  std::vector<const Row*> rows;
  for (int64_t i = first; i < std::min(first + recipe_.batch_size, count); ++i) {
    rows.push_back(all[static_cast<size_t>(order[static_cast<size_t>(i)])]);
  }
  return rows;
}

int64_t Trainer::steps_per_epoch(const StreamTask& task) const {
  const auto count = static_cast<int64_t>(task.rows.size());
  return (count + recipe_.batch_size - 1) / recipe_.batch_size;
}

// The norm of each kind of loss's own gradient. With one kind it is the step's gradient; with more,
// now and then, another pass for each but the first, and the first's is the rest.
Figures Trainer::term_gradient_norms(const Step& step) {
  const Kernels& k = bench_.engine.kernels();
  const Tensor gradient = run_.gradient();
  const std::vector<LossKind> kinds = kinds_of(step.report);
  const auto name = [](LossKind kind) { return loss_rules(kind).name; };
  const auto norm = [&](Tensor x) { return std::sqrt(k.dot(x, x)); };
  if (kinds.size() < 2)
    return kinds.empty() ? Figures() : Figures{{name(kinds.front()), norm(gradient)}};
  const int64_t every = recipe_.gradient_norms_every;
  if (every == 0 || run_.position.step % every != 0) return {};
  const Buffer one(DType::kF32, {gradient.size()}), others(DType::kF32, {gradient.size()});
  Figures norms = {{name(kinds.front()), 0.0}};
  for (const LossKind kind : std::span(kinds).subspan(1)) {
    run_.run_step(only(kind, step.pass, one.view()));
    norms.emplace_back(name(kind), norm(one.view()));
    k.add(others.view(), one.view());
  }
  norms.front().second = std::sqrt(k.squared_distance(gradient, others.view()));
  return norms;
}

void Trainer::record(const Step& step, Figures norms, double rate, double seconds) {
  const Position& at = run_.position;
  const PassReport& report = step.report;
  StepEvent event;
  event.step = at.step;
  event.task = current().name;
  event.task_index = at.task;
  event.epoch = at.epoch;
  for (const LossKind kind : kinds_of(report))
    event.terms.emplace_back(loss_rules(kind).name, report.terms[kind]);
  double loss = report.total();
  for (const auto& [name, term] : run_.own_terms()) {
    event.terms.emplace_back(name, term.value);
    loss += term.value;
  }
  event.loss = loss;
  event.gradient_norms = std::move(norms);
  event.learning_rate = rate;
  event.tokens = step.tokens + run_.take_extra_tokens();
  event.tokens_per_second = static_cast<double>(event.tokens) / seconds;
  event.reported.assign(run_.reported().begin(), run_.reported().end());
  train_tokens_ += event.tokens;
  append_sealed(folder_, event);
  observer_.step_done({at.step, loss, event.tokens_per_second});
}

// Row `row` of the score matrix: after `row` tasks.
void Trainer::evaluate(int64_t row) {
  if (row > 0 && current().steps == 0) {
    const int64_t task = run_.position.task;
    scoring_.repeat(task == 0 ? 0 : stream_[static_cast<size_t>(task - 1)].learned, row);
  } else if (!scoring_.evaluate(row)) {
    stop(row == 0 ? "in the evaluation before training; nothing is lost"
                  : fmt::format("in the evaluation after task {}", row));
  }
  rows_scored_ = std::max(rows_scored_, row + 1);
}

void Trainer::stop(const std::string& where) const {
  write_results("interrupted");
  throw Error(ErrorKind::kInterrupted, fmt::format("[train] stopped {}", where),
              fmt::format("Go on with: ilora train --resume {}", folder_.path().string()));
}

void Trainer::visit(StateVisitor& visitor) {
  Position& at = run_.position;
  visitor.value("position.task", at.task);
  visitor.value("position.task_step", at.task_step);
  visitor.value("position.step", at.step);
  visitor.value("rows_scored", rows_scored_);
  visitor.value("timing.train_seconds", train_seconds_);
  visitor.value("timing.train_tokens", train_tokens_);
  for (const Learner& learner : run_.learners())
    visitor.vector("learner." + learner.name, learner.adapter->values());
  optimizer_.visit(visitor);
  method_.visit(visitor);
}

// Whoever moves a run's folder away does not get another one in its place, with a part of the run.
void Trainer::require_folder() const {
  if (std::filesystem::exists(folder_.config())) return;
  throw Error(
      ErrorKind::kFile,
      fmt::format("[train] {} is gone while the run writes into it", folder_.path().string()),
      fmt::format("Put it back and go on with: ilora train --resume {}", folder_.path().string()));
}

void Trainer::save() {
  require_folder();
  StateWriter writer;
  visit(writer);
  std::vector<std::string> learners;
  for (const Learner& learner : run_.learners()) learners.push_back(learner.name);
  writer.json("method", recipe_.method);
  writer.json("mode", bench_.model.mode());
  writer.json("learners", learners);
  writer.json("scores", json_of(scoring_.scores()));
  writer.json("made_from", json_of(made_from_));
  sync_file(folder_.path(kMetricsFile));
  writer.json("lines", json_of(lines_written(folder_)));
  make_folder(folder_.state().parent_path());
  // A damaged one does not take the place of the one that served.
  if (last_state_whole_) keep_file(folder_.state(), folder_.earlier_state());
  writer.write(folder_.state());
  last_state_whole_ = true;
}

// The last state, or where it is damaged the one before.
StateReader Trainer::open_state() {
  const StateReader::Bounds bounds = {bench_.model.config().vocabulary,
                                      static_cast<int64_t>(train_rows_.size())};
  try {
    return StateReader(folder_.state(), bounds);
  } catch (const Error& e) {
    if (!std::filesystem::exists(folder_.earlier_state())) throw;
    observer_.warning(fmt::format("{}; going on from the checkpoint before it", e.what()));
    last_state_whole_ = false;
    return StateReader(folder_.earlier_state(), bounds);
  }
}

// What is compared of the options: what decides the result, and of a finished run that learns more
// what is fixed since.
void Trainer::compare_sources(const MadeFrom& before, bool learns_more, bool accept_changes) {
  const SourceChanges changes = changes_of(before, made_from_, [&](std::string_view key) {
    const OptionRules& rules = options_.rules(key);
    const bool counts = rules.role == OptionRole::kResult || rules.role == OptionRole::kRounding;
    return counts && key != "data.tasks" && options_.concerns(key, recipe_.method) &&
           (rules.fixed_once_learned || !learns_more);
  });
  made_from_.accepted = before.accepted;
  made_from_.accepted.insert(made_from_.accepted.end(), changes.results.begin(),
                             changes.results.end());
  for (const std::string& change : changes.scores)
    observer_.warning(fmt::format("{}: {}", recipe_.output, change));
  if (changes.results.empty()) return;
  const std::string all = fmt::format("{}", fmt::join(changes.results, "; "));
  if (accept_changes)
    return observer_.warning(fmt::format("{}: {}; accepted", recipe_.output, all));
  throw Error(ErrorKind::kData,
              fmt::format("[train] {} was trained with something else: {}", recipe_.output, all),
              "Put back what it was, or go on with --accept-changes. No one configuration will "
              "give this run again then.");
}

// Where a state says it stands: in a task of the run, at one of its steps.
void Trainer::require_position() const {
  const Position& at = run_.position;
  const auto tasks = static_cast<int64_t>(stream_.size());
  const bool scored =
      rows_scored_ >= 0 && rows_scored_ <= static_cast<int64_t>(scoring_.tasks()) + 1;
  const bool counts = at.task >= 0 && at.task_step >= 0 && at.step >= 0;
  const bool inside =
      counts && at.task < tasks && at.task_step <= stream_[static_cast<size_t>(at.task)].steps;
  if (scored && (inside || (counts && at.task == tasks && at.task_step == 0))) return;
  throw Error(ErrorKind::kFormat,
              fmt::format("[checkpoint] expected a position in {} tasks, got task {}, step {} ({})",
                          tasks, at.task, at.task_step, folder_.state().string()));
}

void Trainer::restore(bool accept_changes) {
  StateReader reader = open_state();
  if (const std::string method = reader.text("method"); method != recipe_.method) {
    throw Error(
        ErrorKind::kUsage,
        fmt::format("[train] the checkpoint is of method {}, the configuration says {} ({})",
                    method, recipe_.method, folder_.state().string()));
  }
  if (reader.has("mode") && reader.text("mode") != bench_.model.mode()) {
    observer_.warning(
        fmt::format("{} was trained in {} so far and goes on in {}: it will not end in the bits of "
                    "an uninterrupted run",
                    recipe_.output, reader.text("mode"), bench_.model.mode()));
  }
  auto scores = reader.parse<ScoreBook>("scores");
  const bool learns_more = scores.tasks().size() < scoring_.tasks();
  if (reader.has("made_from"))
    compare_sources(reader.parse<MadeFrom>("made_from"), learns_more, accept_changes);
  const size_t known = scoring_.restore(std::move(scores));
  const bool together = stream_.size() < scoring_.tasks();
  if (learns_more && together) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[train] {} learns all tasks together: it cannot be taught one more",
                            recipe_.method),
                "Start a new run with all the tasks.");
  }
  truncate_metrics(folder_, warn_of_changed_lines(folder_, reader, observer_));
  warn_of_damaged_adapters(folder_, bench_.model.config(), observer_);
  if (scores_base()) scoring_.evaluate_base(known);  // now: the run is still as training began
  for (const std::string& name : reader.texts("learners")) {
    if (run_.find(name) == nullptr) run_.add_copy_of_fast(name);
  }
  visit(reader);
  require_position();
  if (!scores_base()) return;
  const Position& at = run_.position;
  const bool at_end = at.task_step == 0 && at.task == static_cast<int64_t>(known);
  scoring_.evaluate_untaught(known, at_end ? std::optional(at.task) : std::nullopt);
}

void Trainer::save_adapters() {
  require_folder();
  for (const Exported& saved : method_.exported(run_)) {
    const std::filesystem::path to = folder_.adapter(current().learned, saved.name);
    save_peft(to, *saved.adapter, recipe_.model);
    own_files_.record_adapter(to);
  }
}

void Trainer::write_results(const std::string& status) const {
  Results results;
  results.status = status;
  results.method = recipe_.method;
  results.seed = recipe_.seed;
  results.model = bench_.model.config().name;
  results.deployed = method_.deployed();
  scoring_.scores().tell(results, method_.deployed(), scoring_.references());
  if (stream_.size() < scoring_.tasks()) {
    results.note =
        "The tasks were learned together: there is a first and a last row of scores and none "
        "between, so transfer, forgetting and incremental accuracy are not defined.";
  }
  if (method_.answers_by_task()) {
    results.note =
        "Each task is answered with what was saved right after it: the method is told which task a "
        "row belongs to, which others are not.";
  }
  results.timing = {train_seconds_, train_tokens_,
                    train_seconds_ > 0 ? static_cast<double>(train_tokens_) / train_seconds_ : 0.0};
  results.environment = environment_of(bench_.model.mode());
  results.made_from = made_from_;
  results.files = own_files_.list();
  write_sealed(folder_, results);
}

}  // namespace ilora
