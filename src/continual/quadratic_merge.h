// Where on the way from the values before a task to those after it the tasks so far lose least, by
// their diagonal Fisher information: the merging of Qiu et al. 2025, "Train with perturbation, infer
// after merging", arXiv 2505.22389.
//
// Task i ended its training at w_i with the information F_i. About w_i its loss rises by
// 1/2 sum_j F_i,j (x_j - w_i,j)^2, and summed over tasks this is least at v + a D, D = w - v, with
//
//   a = D'(R - S v) / D'S D,    S = sum_i F_i,  R = sum_i F_i w_i
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "continual/state.h"
#include "model/adapter.h"
#include "tensor/tensor.h"

namespace ilora {

class QuadraticMerge {
 public:
  // One more task: its information and the values it ended with, flat.
  void add(Tensor fisher, Tensor values);
  // to <- v + a (to - v), a within 0 .. 1: one for each of `maps`, or without any one for all values.
  // A map (or all) that nothing is known of, D'SD = 0, keeps its values, a = 1; so does the first task,
  // where a is 1 apart from rounding.
  void merge(Tensor to, Tensor before, std::span<const LoraBlock> maps);

  int64_t tasks() const { return tasks_; }
  double share() const { return share_; }  // the mean a of the last merge
  void visit(StateVisitor& visitor, const std::string& name);

 private:
  void place(int64_t size);
  double coefficient(Tensor values, Tensor before, int64_t begin, int64_t end) const;

  int64_t tasks_ = 0;
  double share_ = 1;
  Buffer information_, weighted_;  // S, R
};

}  // namespace ilora
