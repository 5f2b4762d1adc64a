#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "model/losses/loss_rules.h"

namespace ilora {
namespace {

using Rules = const LossRules& (*)();

template <size_t... kIndex>
constexpr std::array<Rules, kLossKinds> table_of(std::index_sequence<kIndex...>) {
  return {&rules_of<static_cast<LossKind>(kIndex)>...};
}
constexpr std::array<Rules, kLossKinds> kTable = table_of(std::make_index_sequence<kLossKinds>());

}  // namespace

const LossRules& loss_rules(LossKind kind) {
  ILORA_CHECK(kind < LossKind::kCount, "no kind of loss {}", static_cast<int>(kind));
  return kTable[static_cast<size_t>(kind)]();
}

bool reads_logits(const Segment& segment) {
  return std::any_of(segment.losses.begin(), segment.losses.end(), [](const Loss& loss) {
    return loss.weight != 0 && loss_rules(loss.kind).reads_logits;
  });
}

}  // namespace ilora
