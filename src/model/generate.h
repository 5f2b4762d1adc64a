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
  // Tokens below this may be generated: a model may have more embeddings than there are tokens. 0:
  // all.
  int64_t tokens = 0;
  Sampling sampling;
};

// The next token by its logits. Draw `counter` of prompt `stream` depends on these two and the seed
// alone, so answers do not depend on the batch.
int32_t pick_token(std::span<const float> logits, const Sampling& sampling, uint64_t stream,
                   uint64_t counter);

// Called for each new token of prompt `index` as it is made.
using TokenVisitor = std::function<void(size_t index, int32_t token)>;

using Answers = std::vector<std::vector<int32_t>>;  // token ids, one answer per prompt

// Answers to prompts (token ids, none empty), without the stop token. An answer also ends where the
// model's context is full. Throws Error(kData) for a prompt that leaves no room in the context.
Answers generate(Engine& engine, const Uses& uses, std::span<const std::vector<int32_t>> prompts,
                 const GenerateOptions& options, const TokenVisitor& visit = {});

// Prompts that are answered under one list of adapters.
struct Lane {
  const Uses* uses = nullptr;
  std::span<const std::vector<int32_t>> prompts;
};
// The same for many lists of adapters, whose prompts share each product with a base weight: the
// answers of each lane. Memory does not grow with the number of lanes: `options.batch` prompts are
// decoded together, whatever their lanes. Prompt i of a lane is the sampling stream i, as alone.
std::vector<Answers> generate(Engine& engine, std::span<const Lane> lanes,
                              const GenerateOptions& options, const TokenVisitor& visit = {});

}  // namespace ilora
