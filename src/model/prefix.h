// Soft prompts in front of a row's tokens, in training and in answering: which ones, in which order.
#pragma once

#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "model/row.h"

namespace ilora {

struct Prefix {
  // Soft-prompt rows of the adapters that the row runs under, counted through all of them in their
  // order.
  std::vector<int32_t> prompts;

  static Prefix first(int64_t count) {  // 0 .. count-1
    Prefix prefix{std::vector<int32_t>(static_cast<size_t>(count))};
    std::iota(prefix.prompts.begin(), prefix.prompts.end(), 0);
    return prefix;
  }
  int64_t size() const { return static_cast<int64_t>(prompts.size()); }
  // The ids of a row as it is fed: the prompts' (row.h), then its tokens.
  std::vector<int32_t> before(std::span<const int32_t> tokens) const {
    std::vector<int32_t> ids;
    ids.reserve(prompts.size() + tokens.size());
    for (const int32_t k : prompts) ids.push_back(soft_prompt_id(k));
    ids.insert(ids.end(), tokens.begin(), tokens.end());
    return ids;
  }
  bool operator==(const Prefix&) const = default;
};

}  // namespace ilora
