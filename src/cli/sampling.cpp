#include "cli/sampling.h"

#include <limits>

namespace ilora {

void add_sampling(CLI::App& command, GenerateOptions& options, std::vector<std::string>& stops) {
  Sampling& sampling = options.sampling;
  command
      .add_option("--max-new-tokens,-n,--n-predict", options.max_new_tokens,
                  "most tokens of an answer")
      ->check(above_zero())
      ->capture_default_str();
  command.add_option("--temperature,--temp", sampling.temperature, "0: greedy")
      ->check(not_below_zero())
      ->capture_default_str();
  command.add_option("--top-k", sampling.top_k, "0: all")->check(not_below_zero());
  command.add_option("--top-p", sampling.top_p, "nucleus")
      ->check(CLI::Range(0.0, 1.0))
      ->check(not_below_zero())
      ->capture_default_str();
  command
      .add_option("--min-p", sampling.min_p,
                  "least probability of a token, as a share of the likeliest one's; 0: any")
      ->check(CLI::Range(0.0, 1.0))
      ->check(not_below_zero());
  command
      .add_option("--repeat-penalty", sampling.repeat_penalty,
                  "divides the logits of tokens that were there; 1: off")
      ->check(above_zero())
      ->capture_default_str();
  command
      .add_option("--repeat-last-n", sampling.repeat_last_n,
                  "so many last tokens are meant; -1: all")
      ->check(CLI::Range(int64_t{-1}, std::numeric_limits<int64_t>::max()))
      ->capture_default_str();
  command
      .add_option("-r,--reverse-prompt,--stop", stops,
                  "a text that ends an answer and is no part of it (repeatable)")
      ->allow_extra_args(false)
      ->check([](const std::string& text) {
        return text.empty() ? std::string("expected a text that is not empty") : std::string();
      });
  command.add_option("--seed", sampling.seed, "of sampling")
      ->check(not_below_zero())
      ->capture_default_str();
}

}  // namespace ilora
