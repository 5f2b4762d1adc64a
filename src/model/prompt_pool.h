// What soft prompts need around the model: how an adapter with prompts answers, which prompts of a
// pool a text chooses (Wang et al. 2022, "Learning to prompt for continual learning"), and values
// to begin with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "model/engine.h"

namespace ilora {

// A text's query: the mean over its tokens of the frozen model's hidden[L], (D).
std::vector<float> prompt_query(Engine& engine, std::span<const int32_t> tokens);

// What a row's query is of: all that stands before its last answer that is learned. Where a row is
// scored, that is its prompt.
std::span<const int32_t> before_last_answer(const Row& row);

// query - centre, what a centred pool compares with its keys; the query itself where centre is empty.
std::vector<float> centred(std::vector<float> query, Tensor centre);

// cos(query, key) for each of keys (K,D).
std::vector<double> key_similarities(Tensor keys, std::span<const float> query);

// The `count` keys of the highest similarity, the highest first; equal ones by their number.
std::vector<int32_t> nearest_keys(std::span<const double> similarities, int64_t count);

// The soft prompts of the chosen keys, in the keys' order.
Prefix prefix_of_keys(const PromptShape& shape, std::span<const int32_t> chosen);

// How an adapter answers by itself: LoRA as it is; soft prompts all in front, in their order; of a
// pool with keys, those that the row's prompt chooses. Engine and adapter outlive the result.
Answerer answerer_of(Engine& engine, const Adapter& adapter);

// prompts (P,D) = the embeddings of tokens drawn by `random` from the first 5,000 of the
// vocabulary, the most common ones where it was made by merging pairs (Lester et al. 2021,
// section 3.2).
void fill_with_embeddings(Engine& engine, Tensor prompts, const Random& random);

}  // namespace ilora
