// Above the last block's attention no row meets another one, so the last block's output projection
// and feed-forward are computed only for rows whose hidden[L] is read: those that
// a loss reads, those whose next token is asked for.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "model/config.h"
#include "model/packed.h"

namespace ilora {

// The linear maps above the last attention: LoRA on one of them in the last block needs its
// segments' rows where they are, so all are computed.
inline constexpr std::array kAboveAttention = {Module::kOutput, Module::kGate, Module::kUp,
                                               Module::kDown, Module::kGateUp};

class TopRows {
 public:
  // Every row: nothing is gathered.
  void take_all() {
    rows_.clear();
    gradient_count_ = 0;
  }
  // Rows `read` of the pack, in any order, more than once or not; every row where they are more
  // than half, which saves little and would need memory.
  void choose(std::span<const int32_t> read, const Packed& packed);

  bool narrow() const { return !rows_.empty(); }
  // The number of gathered rows, and how many of them, the first ones, carry gradient: both
  // multiples of 16, filler included.
  int64_t count() const { return static_cast<int64_t>(rows_.size()); }
  int64_t gradient_count() const { return gradient_count_; }

  // y (M,...) = the first M chosen rows of x, y of T; filler is zero.
  void gather(const Kernels& kernels, Tensor y, Tensor x) const;
  // The chosen rows of y = the first rows x (M,...) of T; y's other rows are zero.
  void scatter(const Kernels& kernels, Tensor y, Tensor x) const;

 private:
  std::vector<int32_t> rows_;  // of the pack, ascending but for filler, which is negative
  int64_t gradient_count_ = 0;
};

// y row i = source rows[i]; zeros where that is negative. (Rows of a pack are a table as well.)
inline void gather_rows(const Kernels& kernels, Tensor y, Tensor source,
                        std::span<const int32_t> rows) {
  kernels.embed(y, source, rows);
}
// target rows[i] += source row i; negative ones are left out.
void scatter_add(const Kernels& kernels, Tensor target, std::span<const int32_t> rows,
                 Tensor source);

}  // namespace ilora
