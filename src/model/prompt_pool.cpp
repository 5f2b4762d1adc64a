#include "model/prompt_pool.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ilora {

std::span<const int32_t> before_last_answer(const Row& row) {
  int64_t end = row.prompt_length;
  if (!row.gaps.empty()) end = std::max<int64_t>(end, row.gaps.back().end);
  return std::span(row.tokens).first(static_cast<size_t>(end));
}

std::vector<float> prompt_query(Engine& engine, std::span<const int32_t> tokens) {
  std::vector<float> query(static_cast<size_t>(engine.config().width));
  engine.mean_hidden(Tensor(query.data(), DType::kF32, {engine.config().width}), tokens, {});
  return query;
}

std::vector<float> centred(std::vector<float> query, Tensor centre) {
  for (int64_t d = 0; d < centre.size(); ++d)
    query[static_cast<size_t>(d)] -= centre.ptr<float>()[d];
  return query;
}

std::vector<double> key_similarities(Tensor keys, std::span<const float> query) {
  const auto width = static_cast<size_t>(keys.shape[1]);
  std::vector<double> similarities;
  for (int64_t m = 0; m < keys.shape[0]; ++m) {
    const float* key = keys.rows(m, m + 1).ptr<float>();
    double product = 0, key_norm = 0, query_norm = 0;
    for (size_t d = 0; d < width; ++d) {
      const auto k = static_cast<double>(key[d]), q = static_cast<double>(query[d]);
      product += k * q;
      key_norm += k * k;
      query_norm += q * q;
    }
    const double norms = std::sqrt(key_norm * query_norm);
    similarities.push_back(norms > 0 ? product / norms : 0.0);
  }
  return similarities;
}

std::vector<int32_t> nearest_keys(std::span<const double> similarities, int64_t count) {
  std::vector<int32_t> order(similarities.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return similarities[static_cast<size_t>(a)] > similarities[static_cast<size_t>(b)];
  });
  order.resize(std::min(order.size(), static_cast<size_t>(count)));
  return order;
}

Prefix prefix_of_keys(const PromptShape& shape, std::span<const int32_t> chosen) {
  const auto length = static_cast<int32_t>(shape.rows / shape.keys);
  Prefix prefix;
  for (const int32_t key : chosen) {
    for (int32_t i = 0; i < length; ++i) prefix.prompts.push_back(key * length + i);
  }
  return prefix;
}

Answerer answerer_of(Engine& engine, const Adapter& adapter) {
  Answerer answerer{{{&adapter, 1.0, {}}}, {}};
  const PromptShape& shape = adapter.layout().prompts();
  if (shape.keys > 0) {
    answerer.prefix = [&engine, &adapter](std::span<const int32_t> prompt) {
      const AdapterLayout& layout = adapter.layout();
      const Tensor values = adapter.values();
      const auto query = centred(prompt_query(engine, prompt), prompt_centre(values, layout));
      const auto similarities = key_similarities(prompt_keys(values, layout), query);
      return prefix_of_keys(layout.prompts(), nearest_keys(similarities, layout.prompts().chosen));
    };
  } else if (shape.rows > 0) {
    answerer.prefix = [all = Prefix::first(shape.rows)](std::span<const int32_t>) { return all; };
  }
  return answerer;
}

void fill_with_embeddings(Engine& engine, Tensor prompts, const Random& random) {
  constexpr int64_t kCommon = 5000;
  const auto bound = static_cast<uint64_t>(std::min(kCommon, engine.config().vocabulary));
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < prompts.shape[0]; ++i)
    tokens.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(i), bound)));
  engine.token_embeddings(prompts, tokens);
}

}  // namespace ilora
