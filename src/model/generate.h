// Generation with a key/value cache: greedy or sampled, many prompts at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/engine.h"

namespace ilora {

// With llama.cpp's names. The penalty comes first, then top_k, then temperature, on whose
// probabilities top_p and min_p work, as in transformers.
struct Sampling {
  double temperature = 0;  // 0: greedy, and top_k, top_p and min_p do not count
  int64_t top_k = 0;       // 0: all
  double top_p = 1;        // nucleus (Holtzman et al. 2020)
  uint64_t seed = 1;
  double min_p = 0;  // of the likeliest token's probability (Nguyen et al. 2024)
  // Logits of the last `repeat_last_n` tokens, the prompt's too, are divided by it where they are
  // positive, else multiplied (Keskar et al. 2019). 1: off; -1 tokens: all.
  double repeat_penalty = 1;
  int64_t repeat_last_n = 64;

  // Those of `tokens` that the penalty is for.
  std::span<const int32_t> recent(std::span<const int32_t> tokens) const;
};

struct GenerateOptions {
  int64_t max_new_tokens = 128;
  int64_t batch = 16;         // prompts decoded together
  std::vector<int32_t> stop;  // tokens that end an answer; not part of it
  // Tokens below this may be generated: a model may have more embeddings than there are tokens. 0:
  // all.
  int64_t tokens = 0;
  Sampling sampling;
  // Asked after each token of prompt `index` whether its answer so far is complete; none: it is not.
  std::function<bool(size_t index, std::span<const int32_t> answer)> complete = {};
};

// The next token by its logits. Draw `counter` of prompt `stream` depends on these two and the seed
// alone, so answers do not depend on the batch. `recent`: what the penalty is for.
int32_t pick_token(std::span<const float> logits, const Sampling& sampling, uint64_t stream,
                   uint64_t counter, std::span<const int32_t> recent = {});

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
