// How fast prompts are scored and answered.
//
// The texts come from a file that a comparison gives to other programs too (bench/compare.sh). With
// `adapters` the same work is done under so many made-up ones, together and one by one, in turns.
#pragma once

#include <limits>

#include "base/json_fwd.h"
#include "bench/subject.h"
#include "model/generate.h"

namespace ilora {

struct AnswerBench {
  BenchSubject subject{.pacing = {.warm_up = 1}};
  std::string texts;    // {"prompts": [text, ...], "options": [text, ...]}; options to score alone
  std::string adapter;  // a PEFT folder; empty: the base model answers
  GenerateOptions generation{.max_new_tokens = 64, .batch = 16, .stop = {}, .sampling = {}};
  size_t adapters = 0;
  size_t prompts = std::numeric_limits<size_t>::max();  // only the first so many
};

// Each prompt's options, by their likelihood; the likelihoods under "likelihoods".
Json measure_scoring(const AnswerBench& b);
// Greedy answers; the answers under "answers".
Json measure_generation(const AnswerBench& b);

}  // namespace ilora
