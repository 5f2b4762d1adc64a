// Losses to seeds: the two places where gradients enter, logits at labelled positions and hidden
// states.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/block.h"
#include "model/report.h"

namespace ilora {

// Logits of rows `rows` of hidden[L], at most act.logits' rows of them: (n,V) T, n = rows.size()
// rounded up to 16, in act.logits; rows behind the last are of no meaning. `padded` is scratch.
Tensor head_logits(PassContext& ctx, std::span<const int32_t> rows, std::vector<int32_t>& padded);

// Cross-entropy at the labelled positions, in chunks of logits: writes act.label_loss, and adds the
// gradient with respect to hidden[L] to `dlast` (N',D) T where given.
class CrossEntropy {
 public:
  void run(PassContext& ctx, Tensor dlast, int64_t chunk);

 private:
  std::vector<int32_t> rows_;
};

// The consistency term (pass.h). plan() once per micro-pass; at() for every compared layer during
// forward.
class ConsistencyTerm {
 public:
  void plan(const Pass& pass, const Packed& packed, const Denominators& denominators,
            int64_t top_layer);
  void clear();  // a pass without the term
  bool active() const { return spec_ != nullptr; }
  int64_t rows() const { return static_cast<int64_t>(student_.size()); }
  int64_t layers_below_top() const;
  bool compares(int64_t layer) const;
  // Appends the rows of the pack whose hidden states are compared, both sides.
  void add_compared(std::vector<int32_t>& rows) const;

  // hidden (N,D) is hidden[layer]. Adds to the report; with `backward` forms the seed: in
  // act.pair_seeds for layers below the top, added to `dlast` at the top.
  void at(PassContext& ctx, int64_t layer, Tensor hidden, Tensor dlast, bool backward,
          PassReport& report);
  // Adds the seed of hidden[layer] to dx (N',D), where there is one.
  void add_seed(const PassContext& ctx, int64_t layer, Tensor dx) const;

 private:
  struct Pair {
    int32_t segment;
    int64_t row;         // among the segment's rows
    int64_t begin, end;  // its compared positions, as indices into student_ and teacher_
  };
  int64_t seed_index(int64_t layer) const;

  const Consistency* spec_ = nullptr;
  double denominator_ = 0;
  int64_t top_ = 0;
  std::vector<int32_t> student_, teacher_;  // rows of the pack
  std::vector<Pair> pairs_;
};

// The real and imaginary part of element i of a tensor of T.
struct Scalar {
  double real = 0, imaginary = 0;
};
Scalar read_scalar(Tensor x, int64_t i);
void write_scalar(Tensor x, int64_t i, double value);

}  // namespace ilora
