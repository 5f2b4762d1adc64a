// Generation with a key/value cache: greedy or sampled, many prompts at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/engine.h"

namespace ilora {

struct Sampling {
  double temperature = 0;  // 0: greedy
  int64_t top_k = 0;       // 0: all
  double top_p = 1;        // nucleus (Holtzman et al. 2020)
  uint64_t seed = 1;
};

struct GenerateOptions {
  int64_t max_new_tokens = 128;
  int64_t batch = 16;         // prompts decoded together
  std::vector<int32_t> stop;  // tokens that end an answer; not part of it
  Sampling sampling;
};

// The next token by its logits. Draw `counter` of prompt `stream` depends on these two and the seed
// alone, so answers do not depend on the batch.
int32_t pick_token(std::span<const float> logits, const Sampling& sampling, uint64_t stream,
                   uint64_t counter);

// Called for each new token of prompt `index` as it is made.
using TokenVisitor = std::function<void(size_t index, int32_t token)>;

// Answers to prompts (token ids, none empty), without the stop token. An answer also ends where the
// model's context is full. Throws Error(kData) for a prompt that leaves no room in the context.
std::vector<std::vector<int32_t>> generate(Engine& engine, const Uses& uses,
                                           std::span<const std::vector<int32_t>> prompts,
                                           const GenerateOptions& options,
                                           const TokenVisitor& visit = {});

}  // namespace ilora
