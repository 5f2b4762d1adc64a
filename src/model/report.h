// What a pass tells about its losses.
#pragma once

#include <vector>

namespace ilora {

struct PassReport {
  double cross_entropy = 0;  // weighted, as it enters the total loss
  double consistency = 0;    // weighted
  double imaginary = 0;      // of the total: not 0 only in gradient tests, in complex numbers
  struct SegmentRows {
    // Per row, summed over its labels; empty without cross-entropy.
    std::vector<double> negative_log_likelihood;
    // Per row, unweighted; empty without the term.
    std::vector<double> consistency;
  };
  std::vector<SegmentRows> segments;

  double total() const { return cross_entropy + consistency; }
};

}  // namespace ilora
