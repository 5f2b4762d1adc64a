#include "eval/evaluator.h"

#include <algorithm>

#include "base/error.h"
#include "text/tokenizer.h"

namespace ilora {
namespace {

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

}  // namespace

TaskScore Evaluator::evaluate(const TaskEval& task, const Deployed& deployed) {
  TaskScore result;
  result.rows.resize(task.rows.size());
  if (task.measure->score == nullptr) {
    choose(task, deployed, result.rows);
  } else {
    generate_answers(task, deployed, result.rows);
  }
  result.score = task_score(task, result.rows);
  return result;
}

void Evaluator::choose(const TaskEval& task, const Deployed& deployed,
                       std::vector<RowScore>& scores) {
  const auto likelihoods =
      option_likelihoods(task.rows, task.options, deployed, !task.measure->by_letter);
  for (size_t i = 0; i < task.rows.size(); ++i) {
    const auto first = likelihoods[i].begin();
    const auto best = std::max_element(first, first + task.offered(i)) - first;
    scores[i].answer = task.options[static_cast<size_t>(best)];
    scores[i].score = scores[i].answer == task.right_option(i) ? 1.0 : 0.0;
  }
}

std::vector<std::vector<double>> Evaluator::option_likelihoods(
    const std::vector<Example>& rows, const std::vector<std::string>& options,
    const Deployed& deployed, bool whole) {
  std::vector<std::vector<int32_t>> option_ids;
  size_t longest_option = 0;
  for (const std::string& option : options) {
    option_ids.push_back(encoder_.answer(option));
    if (option_ids.back().empty()) {
      throw Error(ErrorKind::kData, fmt::format("[eval] the option '{}' has no tokens", option));
    }
    longest_option = std::max(longest_option, option_ids.back().size());
  }
  std::vector<std::vector<int32_t>> prompts;
  for (size_t i = 0; i < rows.size(); ++i)
    prompts.push_back(prompt_tokens(rows, i, static_cast<int64_t>(longest_option), deployed));

  std::vector<std::vector<double>> likelihoods(rows.size());
  for (size_t first = 0; first < rows.size();) {
    size_t count = 0, longest = 0;
    while (first + count < rows.size()) {
      const size_t with = std::max(longest, prompts[first + count].size() + longest_option);
      if (count > 0 && static_cast<int64_t>(with * (count + 1)) > engine_.options().max_tokens)
        break;
      longest = with;
      ++count;
    }
    score_batch(std::span(prompts).subspan(first, count), option_ids, whole, deployed.uses,
                std::span(likelihoods).subspan(first, count));
    first += count;
  }
  return likelihoods;
}

void Evaluator::score_batch(std::span<const std::vector<int32_t>> prompts,
                            const std::vector<std::vector<int32_t>>& options, bool whole,
                            const Uses& uses, std::span<std::vector<double>> likelihoods) {
  size_t capacity = 0;
  for (const auto& prompt : prompts) {
    for (const auto& option : options) capacity = std::max(capacity, prompt.size() + option.size());
  }
  KeyValueCache cache(engine_.config(), engine_.kernels().state,
                      static_cast<int64_t>(prompts.size()), static_cast<int64_t>(capacity));
  // All of the prompts but their last tokens: those predict the options' first.
  std::vector<Feed> feeds;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto shared = std::span(prompts[i]).first(prompts[i].size() - 1);
    if (!shared.empty()) feeds.push_back({shared, {}, static_cast<int64_t>(i), 0});
  }
  std::vector<double> sums(feeds.size());
  if (!feeds.empty()) engine_.score(feeds, uses, cache, sums);

  for (const std::vector<int32_t>& option : options) {
    std::vector<std::vector<int32_t>> tokens(prompts.size());
    std::vector<int32_t> targets = option;
    if (whole) targets.push_back(encoder_.end_token());
    feeds.clear();
    for (size_t i = 0; i < prompts.size(); ++i) {
      tokens[i].push_back(prompts[i].back());
      tokens[i].insert(tokens[i].end(), option.begin(), whole ? option.end() : option.end() - 1);
      feeds.push_back({tokens[i], targets, static_cast<int64_t>(i),
                       static_cast<int64_t>(prompts[i].size()) - 1});
    }
    sums.assign(feeds.size(), 0.0);
    engine_.score(feeds, uses, cache, sums);
    for (size_t i = 0; i < prompts.size(); ++i) likelihoods[i].push_back(-sums[i]);
  }
}

std::vector<int32_t> Evaluator::prompt_tokens(const std::vector<Example>& rows, size_t row,
                                              int64_t answer, const Deployed& deployed) const {
  std::vector<int32_t> ids = encoder_.prompt(rows[row].prompt);
  if (ids.empty()) {
    throw Error(ErrorKind::kData,
                fmt::format("[eval] the prompt of evaluated row {} has no tokens", row));
  }
  encoder_.cut(ids, answer);
  if (!deployed.prefix) return ids;
  std::vector<int32_t> whole = deployed.prefix(ids);
  encoder_.cut(ids, answer + static_cast<int64_t>(whole.size()));
  whole.insert(whole.end(), ids.begin(), ids.end());
  return whole;
}

void Evaluator::generate_answers(const TaskEval& task, const Deployed& deployed,
                                 std::vector<RowScore>& scores) {
  GenerateOptions options;
  options.max_new_tokens =
      options_.max_new_tokens > 0 ? options_.max_new_tokens : task.max_new_tokens;
  options.stop = {encoder_.end_token()};
  if (const int32_t eos = encoder_.tokenizer().eos(); eos != encoder_.end_token() && eos >= 0)
    options.stop.push_back(eos);
  std::vector<std::vector<int32_t>> prompts;
  for (size_t i = 0; i < task.rows.size(); ++i)
    prompts.push_back(prompt_tokens(task.rows, i, options.max_new_tokens, deployed));
  const auto answers = generate(engine_, deployed.uses, prompts, options);
  for (size_t i = 0; i < answers.size(); ++i) {
    scores[i].answer = encoder_.tokenizer().decode(answers[i]);
    scores[i].score = task.measure->score({scores[i].answer, task.rows[i], task.options});
  }
}

}  // namespace ilora
