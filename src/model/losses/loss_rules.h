// The table of losses: what each kind says of itself before there is a pass. Counting, cutting,
// packing, the memory plan and the benchmark ask here and know no kind by name.
//
// A kind is one file in this folder (loss_term.h says what it holds) and a line in LossKind.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "model/pass.h"

namespace ilora {

class LossTerm;

struct LossRules {
  const char* name = "";      // in metrics.jsonl
  bool reads_logits = false;  // of the labelled positions, which are packed for it
  bool in_place = false;  // its gradient takes the place of the logits: at most one on a segment
  // What a segment adds to the kind's denominator.
  double (*denominator)(const Segment& segment, const Loss& loss) = nullptr;
  // The positions whose hidden[L] it reads, L = `top`, of the segment and of its teacher.
  std::optional<Positions> (*top_positions)(const Loss& loss, int64_t top) = nullptr;
  // Products with the head per labelled position, beside the one that all losses of the segment
  // share.
  int64_t (*more_head_products)(const Loss& loss) = nullptr;
  std::unique_ptr<LossTerm> (*make)() = nullptr;
};

const LossRules& loss_rules(LossKind kind);

// Whether the logits of a segment's labelled positions are asked for.
bool reads_logits(const Segment& segment);

// A kind's row of the table: defined by its file.
template <LossKind kKind>
const LossRules& rules_of();

}  // namespace ilora
