// The losses of a pass at work: which hidden states and logits are shown to which of them, and how
// their gradients come together. The engine calls it; a kind's own work is in its file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/losses/loss_term.h"

namespace ilora {

class Losses {
 public:
  // The losses of a micro-pass; `top` is L.
  void plan(const Pass& pass, const Packed& packed, const Denominators& denominators, int64_t top);
  // For place() alone: losses as a step has them at most, each on a segment of `rows` rows.
  void plan_largest(std::span<const Loss> losses, int64_t rows, int64_t top);
  void clear();  // none

  // Rows of the pack whose hidden[L] is read, in any order, some more than once.
  std::span<const int32_t> top_rows() const { return top_rows_; }
  void place(Arena& arena, const ModelConfig& config, const ActivationShape& shape);

  // hidden (N,D) T is hidden[layer], which forward has just computed.
  void at_hidden(PassContext& ctx, int64_t layer, Tensor hidden, PassReport& report);
  // Behind forward: everything that reads logits. Adds the gradient with respect to hidden[L] to
  // `dlast` (N',D) T, where given.
  void at_labels(PassContext& ctx, Tensor dlast, PassReport& report);
  // Adds the gradients with respect to hidden[layer] to dhidden (N',D) T.
  void add_seeds(const PassContext& ctx, int64_t layer, Tensor dhidden) const;

 private:
  LossTerm& next_term(LossKind kind);
  void add_term(const Pass& pass, const Packed& packed, const Denominators& denominators,
                size_t segment, size_t index, int64_t top);
  void add_top_rows(const Pass& pass, const Packed& packed, const Loss& loss, size_t segment,
                    int64_t top);
  void run_labels(PassContext& ctx, size_t segment, const LabelRun& run, PassReport& report);

  // A term keeps its memory from pass to pass: the i-th of a kind is used again by the i-th.
  struct Kept {
    LossKind kind;
    bool used;  // by the present pass
    std::unique_ptr<LossTerm> term;
  };
  std::vector<Kept> kept_;
  // Of the present pass, segment by segment; of a segment, the one that works in place last.
  std::vector<LossTerm*> terms_;
  std::vector<int32_t> top_rows_;
};

}  // namespace ilora
