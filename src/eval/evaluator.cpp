#include "eval/evaluator.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "eval/batches.h"
#include "eval/continuations.h"
#include "eval/fed_prompt.h"
#include "text/tokenizer.h"

namespace ilora {
namespace {

double mean_loss(const std::vector<RowScore>& rows) {
  double sum = 0;
  for (const RowScore& row : rows) sum += row.loss;
  return rows.empty() ? 0 : sum / static_cast<double>(rows.size());
}

std::vector<Uses> lists_of(std::span<const Answerer> answerers) {
  std::vector<Uses> lists;
  for (const Answerer& d : answerers) lists.push_back(d.uses);
  return lists;
}

}  // namespace

double task_score(const TaskEval& task, const std::vector<RowScore>& rows) {
  if (task.measure->of_task != nullptr) {
    std::vector<Answered> answers;
    for (size_t i = 0; i < rows.size(); ++i)
      answers.push_back({rows[i].answer, task.rows[i], task.options});
    return task.measure->of_task(answers);
  }
  double sum = 0;
  for (const RowScore& row : rows) sum += row.score;
  return rows.empty() ? 0 : sum / static_cast<double>(rows.size());
}

// A row under one of the adapters.
struct Evaluator::Job {
  int32_t under;
  size_t row;
};

// The tokens of the rows' prompts, cut to leave room for their answers' tokens as in training,
// behind what an adapter puts in front. Adapters that put nothing there share one list.
class Evaluator::Prompts {
 public:
  // Throws Error(kData) for a prompt without tokens.
  Prompts(const Encoder& encoder, const std::vector<Example>& rows,
          std::span<const Answerer> answerers, const std::vector<int64_t>& answers)
      : answerers_(answerers), own_(answerers.size()) {
    for (size_t i = 0; i < rows.size(); ++i) {
      const std::string where = fmt::format("row {}", row_number(rows[i], i));
      std::vector<int32_t> ids = fed_prompt(encoder, rows[i], where, answers[i], {});
      if (ids.empty())
        throw Error(ErrorKind::kData, fmt::format("[eval] the prompt of {} has no tokens", where));
      for (size_t d = 0; d < answerers.size(); ++d) {
        if (answerers[d].prefix)
          own_[d].push_back(fed_prompt(encoder, rows[i], where, answers[i], answerers[d]));
      }
      shared_.push_back(std::move(ids));
    }
  }
  const std::vector<std::vector<int32_t>>& of(size_t d) const {
    return answerers_[d].prefix ? own_[d] : shared_;
  }
  const std::vector<int32_t>& of(const Job& job) const {
    return of(static_cast<size_t>(job.under))[job.row];
  }

  // Every row under every adapter, adapter by adapter and the longest prompts first, so that rows
  // that run together are of similar length.
  std::vector<Job> jobs() const {
    std::vector<Job> all;
    for (size_t d = 0; d < answerers_.size(); ++d) {
      const auto first = static_cast<std::ptrdiff_t>(all.size());
      for (size_t row = 0; row < shared_.size(); ++row)
        all.push_back({static_cast<int32_t>(d), row});
      std::stable_sort(all.begin() + first, all.end(),
                       [&](const Job& a, const Job& b) { return of(a).size() > of(b).size(); });
    }
    return all;
  }

 private:
  std::span<const Answerer> answerers_;
  std::vector<std::vector<int32_t>> shared_;
  std::vector<std::vector<std::vector<int32_t>>> own_;  // where an adapter has a prefix
};

TaskScore Evaluator::evaluate(const TaskEval& task, const Answerer& answerer,
                              const EvalRequest& request) {
  return std::move(evaluate_each(task, {&answerer, 1}, request).front());
}

std::vector<TaskScore> Evaluator::evaluate_each(const TaskEval& task,
                                                std::span<const Answerer> answerers,
                                                const EvalRequest& request) {
  const Engine::FrozenAdapters frozen(engine_);
  std::vector<TaskScore> results(answerers.size());
  for (TaskScore& result : results) result.rows.resize(task.rows.size());
  const bool chooses = task.measure->chooses(), by_loss = task.measure->by_loss;
  if (request.score && chooses) {
    choose(task, answerers, request, results);
  } else if (request.score && !by_loss) {
    generate_answers(task, answerers, results);
  }
  if ((request.loss && !(request.score && chooses)) || (request.score && by_loss))
    answer_losses(task, answerers, results);
  for (TaskScore& result : results) {
    for (RowScore& row : result.rows)
      if (request.score && by_loss) row.score = std::exp(-row.loss);
    if (request.score) result.score = task_score(task, result.rows);
    if (request.loss) result.loss = mean_loss(result.rows);
  }
  return results;
}

std::vector<int32_t> Evaluator::answer_tokens(const std::string& text,
                                              const std::string& what) const {
  std::vector<int32_t> ids = encoder_.answer(text);
  if (ids.empty())
    throw Error(ErrorKind::kData, fmt::format("[eval] {} '{}' has no tokens", what, text));
  return ids;
}

void Evaluator::choose(const TaskEval& task, std::span<const Answerer> answerers,
                       const EvalRequest& request, std::vector<TaskScore>& results) {
  const auto likelihoods =
      option_likelihoods_each(task.rows, task.options, answerers, !task.measure->by_letter);
  for (size_t d = 0; d < answerers.size(); ++d) {
    for (size_t i = 0; i < task.rows.size(); ++i) {
      const auto first = likelihoods[d][i].begin();
      const auto best = std::max_element(first, first + task.offered(i)) - first;
      RowScore& row = results[d].rows[i];
      row.answer = task.options[static_cast<size_t>(best)];
      row.score = row.answer == task.right_option(i) ? 1.0 : 0.0;
    }
  }
  if (request.loss && !losses_of_options(task, likelihoods, results))
    answer_losses(task, answerers, results);
}

// The rows' losses where every answer is among the options, whole: they are known then.
bool Evaluator::losses_of_options(const TaskEval& task, const std::vector<Likelihoods>& likelihoods,
                                  std::vector<TaskScore>& results) const {
  if (task.measure->by_letter) return false;
  for (size_t i = 0; i < task.rows.size(); ++i) {
    const auto found = std::find(task.options.begin(), task.options.end(), task.rows[i].answer);
    if (found == task.options.end()) return false;
    const auto option = static_cast<size_t>(found - task.options.begin());
    std::vector<int32_t> answer = encoder_.answer(*found);
    if (!encoder_.cut_answer(answer)) return false;  // learned in part: another loss
    const auto tokens = static_cast<double>(answer.size() + 1);
    for (size_t d = 0; d < results.size(); ++d)
      results[d].rows[i].loss = -likelihoods[d][i][option] / tokens;
  }
  return true;
}

Evaluator::Likelihoods Evaluator::option_likelihoods(const std::vector<Example>& rows,
                                                     const std::vector<std::string>& options,
                                                     const Answerer& answerer, bool whole) {
  return std::move(option_likelihoods_each(rows, options, {&answerer, 1}, whole).front());
}

std::vector<Evaluator::Likelihoods> Evaluator::option_likelihoods_each(
    const std::vector<Example>& rows, const std::vector<std::string>& options,
    std::span<const Answerer> answerers, bool whole) {
  const Engine::FrozenAdapters frozen(engine_);
  std::vector<std::vector<int32_t>> option_ids;
  size_t longest_option = 0, fed_options = 0;  // tokens fed for the options of one prompt
  for (const std::string& option : options) {
    option_ids.push_back(answer_tokens(option, "the option"));
    longest_option = std::max(longest_option, option_ids.back().size());
    fed_options += option_ids.back().size() + (whole ? 1 : 0);
  }
  const Prompts prompts(encoder_, rows, answerers,
                        std::vector(rows.size(), static_cast<int64_t>(longest_option)));
  const std::vector<Job> jobs = prompts.jobs();
  const std::vector<Uses> lists = lists_of(answerers);

  std::vector<Likelihoods> likelihoods(answerers.size(), Likelihoods(rows.size()));
  const auto fed = [&](size_t i) { return prompts.of(jobs[i]).size() - 1 + fed_options; };
  in_batches(jobs.size(), engine_.options().max_tokens, fed, [&](size_t first, size_t count) {
    score_batch(std::span(jobs).subspan(first, count), prompts, option_ids, whole, lists,
                likelihoods);
  });
  return likelihoods;
}

void Evaluator::score_batch(std::span<const Job> jobs, const Prompts& prompts,
                            const std::vector<std::vector<int32_t>>& options, bool whole,
                            std::span<const Uses> lists, std::vector<Likelihoods>& likelihoods) {
  std::vector<std::vector<int32_t>> targets = options;
  if (whole) {
    for (auto& option : targets) option.push_back(encoder_.end_token());
  }
  Continuations batch;
  for (const Job& job : jobs) {
    batch.prompt(prompts.of(job), job.under);
    for (const std::vector<int32_t>& option : targets) batch.add(option);
  }
  const std::vector<double> values = batch.log_likelihoods(engine_, lists);
  auto value = values.begin();
  for (const Job& job : jobs) {
    auto& row = likelihoods[static_cast<size_t>(job.under)][job.row];
    for (size_t option = 0; option < options.size(); ++option) row.push_back(*value++);
  }
}

void Evaluator::answer_losses(const TaskEval& task, std::span<const Answerer> answerers,
                              std::vector<TaskScore>& results) {
  // As rows are learned: a long answer is cut, and then no end token follows.
  std::vector<std::vector<int32_t>> answers;
  std::vector<int64_t> lengths, labels;
  for (size_t i = 0; i < task.rows.size(); ++i) {
    std::vector<int32_t>& answer =
        answers.emplace_back(answer_tokens(task.rows[i].answer, "the answer of " + task.where(i)));
    const bool whole = encoder_.cut_answer(answer);
    lengths.push_back(static_cast<int64_t>(answer.size()));
    labels.push_back(lengths.back() + (whole ? 1 : 0));
  }
  const Prompts prompts(encoder_, task.rows, answerers, lengths);
  const std::vector<Job> jobs = prompts.jobs();
  const std::vector<Uses> lists = lists_of(answerers);
  const auto fed = [&](size_t i) {
    return prompts.of(jobs[i]).size() + answers[jobs[i].row].size();
  };
  in_batches(jobs.size(), engine_.options().max_tokens, fed, [&](size_t first, size_t count) {
    std::vector<std::vector<int32_t>> tokens(count), targets(count);
    std::vector<Feed> feeds;
    for (size_t j = 0; j < count; ++j) {
      const Job& job = jobs[first + j];
      const std::vector<int32_t>& answer = answers[job.row];
      tokens[j] = prompts.of(job);
      targets[j].assign(tokens[j].size() - 1, -1);
      tokens[j].insert(tokens[j].end(), answer.begin(), answer.end());
      targets[j].insert(targets[j].end(), answer.begin(), answer.end());
      const bool whole_answer = labels[job.row] > lengths[job.row];
      targets[j].push_back(whole_answer ? encoder_.end_token() : -1);
      feeds.push_back({tokens[j], targets[j], 0, 0, job.under});
    }
    std::vector<double> sums(count);
    engine_.score(feeds, lists, nullptr, sums);
    for (size_t j = 0; j < count; ++j) {
      const Job& job = jobs[first + j];
      results[static_cast<size_t>(job.under)].rows[job.row].loss =
          sums[j] / static_cast<double>(labels[job.row]);
    }
  });
}

std::string Evaluator::check(const TaskEval& task) const {
  int64_t answer = 0;  // tokens that a prompt leaves room for
  if (task.measure->chooses()) {
    for (const std::string& option : task.options) {
      const auto ids = answer_tokens(option, fmt::format("an option of {},", task.name));
      if (std::ssize(ids) + 1 >= encoder_.max_length()) {
        throw Error(
            ErrorKind::kData,
            fmt::format("[eval] an option of {} has {} tokens ('{:.40}…'), and rows hold at "
                        "most {}",
                        task.name, ids.size(), option, encoder_.max_length()),
            "Options are scored whole: raise data.max_length, or name another measure "
            "(eval.measures).");
      }
      answer = std::max(answer, static_cast<int64_t>(ids.size()));
    }
  } else if (!task.measure->by_loss) {
    answer = generation(task).max_new_tokens;
  }
  int64_t cut = 0;
  for (size_t i = 0; i < task.rows.size(); ++i) {
    if (task.measure->by_loss) {
      std::vector<int32_t> ids =
          answer_tokens(task.rows[i].answer, "the answer of " + task.where(i));
      encoder_.cut_answer(ids);
      answer = std::ssize(ids);
    }
    int64_t left_out = 0;
    if (encoder_.prompt(task.rows[i], task.where(i), answer, 0, &left_out).empty()) {
      throw Error(ErrorKind::kData,
                  fmt::format("[eval] the prompt of {} has no tokens", task.where(i)),
                  "Every row needs a prompt with at least one character.");
    }
    if (left_out > 0) ++cut;
  }
  if (cut == 0) return {};
  return fmt::format("{}: {} of {} {} prompts are cut to fit data.max_length {}", task.name, cut,
                     task.rows.size(), split_name(task.split), encoder_.max_length());
}

GenerateOptions Evaluator::generation(const TaskEval& task) const {
  GenerateOptions options;
  options.max_new_tokens =
      options_.max_new_tokens > 0 ? options_.max_new_tokens : task.max_new_tokens;
  if (options.max_new_tokens >= encoder_.max_length()) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[eval] answers to {} may take {} tokens, and rows hold at most {}: no "
                            "room is left for the prompt",
                            task.name, options.max_new_tokens, encoder_.max_length()),
                "Raise data.max_length, or set eval.max_new_tokens lower.");
  }
  options.stop = encoder_.stop_tokens();
  options.tokens = encoder_.tokenizer().used_size();
  return options;
}

void Evaluator::generate_answers(const TaskEval& task, std::span<const Answerer> answerers,
                                 std::vector<TaskScore>& results) {
  const GenerateOptions options = generation(task);
  const Prompts prompts(encoder_, task.rows, answerers,
                        std::vector(task.rows.size(), options.max_new_tokens));
  std::vector<Lane> lanes;
  for (size_t d = 0; d < answerers.size(); ++d)
    lanes.push_back({&answerers[d].uses, prompts.of(d)});
  const std::vector<Answers> answers = generate(engine_, lanes, options);
  for (size_t d = 0; d < answerers.size(); ++d) {
    for (size_t i = 0; i < task.rows.size(); ++i) {
      RowScore& row = results[d].rows[i];
      row.answer = encoder_.tokenizer().decode(answers[d][i]);
      row.score = task.measure->score({row.answer, task.rows[i], task.options});
    }
  }
}

}  // namespace ilora
