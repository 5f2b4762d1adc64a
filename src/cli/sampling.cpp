#include "cli/sampling.h"

namespace ilora {

void add_sampling(CLI::App& command, GenerateOptions& options) {
  Sampling& sampling = options.sampling;
  command.add_option("--max-new-tokens", options.max_new_tokens, "most tokens of an answer")
      ->check(above_zero())
      ->capture_default_str();
  command.add_option("--temperature", sampling.temperature, "0: greedy")
      ->check(not_below_zero())
      ->capture_default_str();
  command.add_option("--top-k", sampling.top_k, "0: all")->check(not_below_zero());
  command.add_option("--top-p", sampling.top_p, "nucleus")
      ->check(CLI::Range(0.0, 1.0))
      ->check(not_below_zero())
      ->capture_default_str();
  command.add_option("--seed", sampling.seed, "of sampling")
      ->check(not_below_zero())
      ->capture_default_str();
}

}  // namespace ilora
