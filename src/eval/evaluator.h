// Scores a learner on a task: by the likelihood of the options, or by what it generates.
//
// The options of a question share its prompt: the prompt is fed once into a key/value cache, then
// each option behind it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/task_eval.h"
#include "model/generate.h"

namespace ilora {

struct EvalOptions {
  int64_t max_new_tokens = 0;  // for measures that generate; 0: each task's own
};

struct RowScore {
  std::string answer;  // the option chosen, or the text generated
  double score = 0;    // 0..1
};

struct TaskScore {
  double score = 0;  // 0..1: the mean over rows, or of the corpus (BLEU)
  std::vector<RowScore> rows;
};

class Evaluator {
 public:
  // Engine and encoder outlive the evaluator.
  Evaluator(Engine& engine, const Encoder& encoder, EvalOptions options)
      : engine_(engine), encoder_(encoder), options_(options) {}

  // Without adapters the base model answers.
  TaskScore evaluate(const TaskEval& task, const Deployed& deployed);

  // The summed log-likelihood of each option behind each prompt: [row][option]. `whole`: an option
  // is a whole answer, so the end token counts; otherwise it is an answer's beginning.
  std::vector<std::vector<double>> option_likelihoods(const std::vector<Example>& rows,
                                                      const std::vector<std::string>& options,
                                                      const Deployed& deployed, bool whole = true);

 private:
  void choose(const TaskEval& task, const Deployed& deployed, std::vector<RowScore>& scores);
  void generate_answers(const TaskEval& task, const Deployed& deployed,
                        std::vector<RowScore>& scores);
  // The tokens of a row's prompt, with what is to stand before it, cut to leave room for `answer`
  // tokens. Throws Error(kData) for a prompt without tokens.
  std::vector<int32_t> prompt_tokens(const std::vector<Example>& rows, size_t row, int64_t answer,
                                     const Deployed& deployed) const;
  // Likelihoods of the options behind prompts [first, first+count), which share a cache.
  void score_batch(std::span<const std::vector<int32_t>> prompts,
                   const std::vector<std::vector<int32_t>>& options, bool whole, const Uses& uses,
                   std::span<std::vector<double>> likelihoods);

  Engine& engine_;
  const Encoder& encoder_;
  EvalOptions options_;
};

}  // namespace ilora
