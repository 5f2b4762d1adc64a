#include "eval/continuations.h"

namespace ilora {

// The prompt's last token is fed with each continuation, whose first token it predicts.
void Continuations::prompt(std::span<const int32_t> tokens, int32_t under) {
  under_ = under;
  last_token_ = tokens.back();
  shared_ = -1;
  if (tokens.size() == 1) return;
  shared_ = static_cast<int32_t>(feeds_.size());
  feeds_.push_back({tokens.first(tokens.size() - 1), {}, 0, 0, under});
}

void Continuations::add(const std::vector<int32_t>& continuation) {
  targets_.push_back(continuation);
  std::vector<int32_t>& tokens = tokens_.emplace_back();
  tokens.push_back(last_token_);
  tokens.insert(tokens.end(), continuation.begin(), continuation.end() - 1);
  continuations_.push_back(feeds_.size());
  feeds_.push_back({tokens, targets_.back(), 0, 0, under_, shared_});
}

std::vector<double> Continuations::log_likelihoods(Engine& engine,
                                                   std::span<const Uses> lists) const {
  std::vector<double> losses(feeds_.size()), values;
  engine.score(feeds_, lists, nullptr, losses);
  values.reserve(continuations_.size());
  for (const size_t feed : continuations_) values.push_back(-losses[feed]);
  return values;
}

}  // namespace ilora
