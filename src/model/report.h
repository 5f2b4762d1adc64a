// What a pass tells about its losses.
#pragma once

#include <span>
#include <vector>

#include "model/pass.h"

namespace ilora {

struct PassReport {
  // What one loss of a segment came to for each of its rows, without its weight: a mean or a sum
  // over labels, as the kind's file says. Empty where the weight is 0.
  struct RowLosses {
    LossKind kind;
    std::vector<double> rows;
  };

  PerLossKind terms;          // weighted, as they enter the total
  Denominators denominators;  // that they were divided by; 0: the pass has no such loss
  double imaginary = 0;       // of the total: not 0 only in gradient tests, in complex numbers
  std::vector<std::vector<RowLosses>> segments;  // per segment, in the order of its losses

  // Everything zero, with room for the rows of the pass.
  void begin(const Pass& pass, const Denominators& counted);
  double total() const;
  // The rows of a segment's first loss of a kind; empty where it has none.
  std::span<const double> rows(size_t segment, LossKind kind) const;
};

}  // namespace ilora
