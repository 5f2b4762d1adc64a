// A pass: segments of packed rows, the adapters they run under and the losses they carry.
//
// Rows of many segments share each base GEMM. Methods build passes; the engine (engine.h) runs
// them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "model/adapter.h"
#include "model/loss.h"
#include "model/prefix.h"
#include "model/row.h"

namespace ilora {

// One adapter applied to a segment. Where `gradient` is set (a flat vector like the adapter's) it
// is trained: its gradient is added there. `scale` is that of LoRA's blocks; soft prompts are
// taken as they are.
struct AdapterUse {
  const Adapter* adapter = nullptr;
  double scale = 1.0;
  Tensor gradient;
};
using Uses = std::vector<AdapterUse>;

// What answers the rows of a task.
struct Answerer {
  Uses uses;  // empty: the base model
  // What stands before a row's prompt, chosen by its tokens; empty: nothing.
  std::function<Prefix(std::span<const int32_t> prompt)> prefix;
};

struct Segment {
  std::vector<const Row*> rows;  // owned by the tasks or the memory; alive until the step ends
  Uses uses;
  std::vector<Loss> losses{};
  Labels labels = Labels::kAnswer;
  // Empty: none; one: every row's; else one per row. Soft prompts shift positions, carry no label,
  // and no loss compares them.
  std::vector<Prefix> prefixes{};
  bool dropout = true;  // whether its adapters drop inputs, as they do where they are trained

  bool has_gradient() const;
  std::span<const int32_t> prefix(int64_t row) const;  // its soft prompts
  int64_t fed_length(int64_t row) const;  // positions that row `row` takes: prefix and fed tokens
};
// Rows with the cross-entropy of their labels, of weight 1.
Segment cross_entropy_segment(std::vector<const Row*> rows, Uses uses,
                              const LossOptions& options = {});

// Segments with gradient come first.
struct Pass {
  std::vector<Segment> segments;
};
// Tokens of the rows that have gradient; soft prompts in front of them do not count.
int64_t trained_tokens(const Pass& pass);

// What the losses of each kind are divided by (rows, or labelled tokens), counted over the whole
// optimiser step before it is cut into micro-passes. 0: the step has none of the kind.
using Denominators = PerLossKind;
Denominators count_denominators(const Pass& pass);

// Part of a pass that runs at once: per segment, the indices [begin, end) of its rows.
struct MicroPass {
  struct Range {
    int64_t begin = 0, end = 0;
  };
  std::vector<Range> ranges;
};
// Cuts a pass into as few micro-passes of at most `max_tokens` fed tokens as its rows in their
// order allow, as even as those allow; longer rows make one of their own. Linked rows (a row and
// its copy under a loss's teacher) stay together, and a copy without gradient, which costs one layer's memory,
// is not counted. Rows of several segments are mixed in proportion.
std::vector<MicroPass> cut_pass(const Pass& pass, int64_t max_tokens);

}  // namespace ilora
