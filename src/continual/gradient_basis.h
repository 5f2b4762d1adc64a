// An orthonormal basis of gradients that later steps leave out: what OGD keeps of its tasks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "continual/state.h"
#include "kernels/kernels.h"

namespace ilora {

class GradientBasis {
 public:
  // Adds the part of `gradient` (n) F32 that is at right angles to the basis, with length 1 (Gram-Schmidt,
  // twice over). False, and nothing added, where less than a thousandth of it is left.
  bool add(const Kernels& kernels, Tensor gradient);
  // gradient <- gradient - sum_v <gradient, v> v. Returns the share of its length that went: 0 .. 1.
  double take_out(const Kernels& kernels, Tensor gradient) const;

  int64_t size() const { return static_cast<int64_t>(vectors_.size()); }
  const Buffer& operator[](int64_t i) const { return vectors_[static_cast<size_t>(i)]; }
  void visit(StateVisitor& visitor, const std::string& name);

 private:
  std::vector<Buffer> vectors_;
};

}  // namespace ilora
