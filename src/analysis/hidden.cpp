#include "analysis/hidden.h"

#include <algorithm>

#include "analysis/cka.h"
#include "base/error.h"

namespace ilora {
namespace {

constexpr Eigen::Index kBatch = 32, kFewest = 4;

}  // namespace

HiddenStates hidden_states(Engine& engine, std::span<const std::vector<int32_t>> prompts,
                           const Uses& uses) {
  const auto count = static_cast<Eigen::Index>(prompts.size());
  HiddenStates states(static_cast<size_t>(engine.config().layers + 1),
                      Eigen::MatrixXf(count, engine.config().width));
  Eigen::Index first = 0;
  while (first < count) {
    std::vector<Feed> feeds;
    int64_t tokens = 0;
    for (Eigen::Index i = first; i < count; ++i) {
      const auto& prompt = prompts[static_cast<size_t>(i)];
      tokens += static_cast<int64_t>(prompt.size());
      if (i > first && tokens > engine.options().max_tokens) break;
      feeds.push_back({prompt, {}, 0, 0});
    }
    engine.last_hidden(feeds, uses, [&](int64_t layer, size_t feed, std::span<const float> hidden) {
      states[static_cast<size_t>(layer)].row(first + static_cast<Eigen::Index>(feed)) =
          Eigen::Map<const Eigen::RowVectorXf>(hidden.data(),
                                               static_cast<Eigen::Index>(hidden.size()));
    });
    first += static_cast<Eigen::Index>(feeds.size());
  }
  return states;
}

std::vector<double> layer_cka(const HiddenStates& x, const HiddenStates& y) {
  std::vector<double> similarities;
  for (size_t l = 0; l < x.size(); ++l) {
    const Eigen::Index rows = x[l].rows();
    ILORA_CHECK(rows >= kFewest && rows == y[l].rows(), "CKA of {} rows", rows);
    MinibatchCka cka;
    for (Eigen::Index begin = 0; begin < rows;) {
      Eigen::Index n = std::min(kBatch, rows - begin);
      if (rows - begin - n < kFewest) n = rows - begin;
      cka.add(x[l].middleRows(begin, n).cast<double>(), y[l].middleRows(begin, n).cast<double>());
      begin += n;
    }
    similarities.push_back(cka.value());
  }
  return similarities;
}

}  // namespace ilora
