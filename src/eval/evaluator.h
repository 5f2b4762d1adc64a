// Scores adapters on a task: by the likelihood of the options, by what they generate, and by the
// loss of the rows' answers.
//
// The options of a question share its prompt: it is fed once, and they stand behind it in the same
// pass. Many adapters (points of a path, learners of a run) share each product with a base weight:
// rows under all of them are fed one after another, and a pass takes as many as fit, so memory does
// not grow with the number of adapters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/encoder.h"
#include "eval/task_eval.h"
#include "model/generate.h"

namespace ilora {

struct EvalOptions {
  int64_t max_new_tokens = 0;  // for measures that generate; 0: each task's own
};

// What an evaluation tells.
struct EvalRequest {
  bool score = true;
  bool loss = false;
};

struct RowScore {
  std::string answer;  // the option chosen, or the text generated
  double score = 0;    // 0..1
  double loss = 0;     // where asked for: -log p of the row's answer, per token of it, the end
                       // token included
};

struct TaskScore {
  double score = 0;  // 0..1: the mean over rows, or of the corpus (BLEU)
  double loss = 0;   // where asked for: the mean over rows
  std::vector<RowScore> rows;
};

// The task's score, of its rows' scores or answers as its measure has it.
double task_score(const TaskEval& task, const std::vector<RowScore>& rows);

class Evaluator {
 public:
  // Engine and encoder outlive the evaluator.
  Evaluator(Engine& engine, const Encoder& encoder, EvalOptions options)
      : engine_(engine), encoder_(encoder), options_(options) {}

  // Throws what evaluating the task would throw for its texts, before anything is computed:
  // Error(kData) for a prompt or an option without tokens, naming file and row, Error(kUsage) where
  // generated answers leave no room for a prompt. Returns what is to be told of the task: how many
  // prompts will be cut to fit; empty: nothing.
  [[nodiscard]] std::string check(const TaskEval& task) const;
  // Without adapters the base model answers.
  TaskScore evaluate(const TaskEval& task, const Answerer& answerer,
                     const EvalRequest& request = {});
  // The same for each of many, together. What each gets is what it gets alone, up to the rounding
  // of products of another number of rows.
  std::vector<TaskScore> evaluate_each(const TaskEval& task, std::span<const Answerer> answerers,
                                       const EvalRequest& request = {});

  // The summed log-likelihood of each option behind each prompt: [row][option]. `whole`: an option
  // is a whole answer, so the end token counts; otherwise it is an answer's beginning.
  using Likelihoods = std::vector<std::vector<double>>;
  Likelihoods option_likelihoods(const std::vector<Example>& rows,
                                 const std::vector<std::string>& options, const Answerer& answerer,
                                 bool whole = true);
  std::vector<Likelihoods> option_likelihoods_each(const std::vector<Example>& rows,
                                                   const std::vector<std::string>& options,
                                                   std::span<const Answerer> answerers,
                                                   bool whole = true);

 private:
  struct Job;
  class Prompts;

  void choose(const TaskEval& task, std::span<const Answerer> answerers, const EvalRequest& request,
              std::vector<TaskScore>& results);
  bool losses_of_options(const TaskEval& task, const std::vector<Likelihoods>& likelihoods,
                         std::vector<TaskScore>& results) const;
  void generate_answers(const TaskEval& task, std::span<const Answerer> answerers,
                        std::vector<TaskScore>& results);
  void answer_losses(const TaskEval& task, std::span<const Answerer> answerers,
                     std::vector<TaskScore>& results);
  GenerateOptions generation(const TaskEval& task) const;
  // Throws Error(kData) for a text without tokens, which `what` names.
  std::vector<int32_t> answer_tokens(const std::string& text, const std::string& what) const;
  // Likelihoods of the options behind the prompts of some jobs, in one pass.
  void score_batch(std::span<const Job> jobs, const Prompts& prompts,
                   const std::vector<std::vector<int32_t>>& options, bool whole,
                   std::span<const Uses> lists, std::vector<Likelihoods>& likelihoods);

  Engine& engine_;
  const Encoder& encoder_;
  EvalOptions options_;
};

}  // namespace ilora
