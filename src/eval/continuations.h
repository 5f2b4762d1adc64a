// Log-likelihoods of texts behind prompts, in one pass: a prompt is fed once, and its continuations
// stand behind it and attend its keys.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/engine.h"

namespace ilora {

class Continuations {
 public:
  // The prompt of the continuations that follow, at least one token, under list `under` of
  // adapters; lists come in ascending order. The tokens outlive the call of log_likelihoods.
  void prompt(std::span<const int32_t> tokens, int32_t under);
  // A continuation of at least one token.
  void add(const std::vector<int32_t>& continuation);

  // Of each continuation, in the order in which they were added.
  std::vector<double> log_likelihoods(Engine& engine, std::span<const Uses> lists) const;

 private:
  std::vector<Feed> feeds_;
  std::vector<size_t> continuations_;                   // their feeds
  std::vector<std::vector<int32_t>> tokens_, targets_;  // of the continuations
  int32_t last_token_ = 0, under_ = 0, shared_ = -1;    // of the present prompt
};

}  // namespace ilora
