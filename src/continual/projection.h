// Projections of a gradient that keep it from pointing against the gradients of earlier tasks: GEM
// (Lopez-Paz and Ranzato 2017, "Gradient episodic memory for continual learning") and A-GEM
// (Chaudhry et al. 2019, "Efficient lifelong learning with A-GEM"). All vectors are whole flat
// gradients, float32.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace ilora {

// The v that minimises 1/2 v'Pv + q'v subject to v >= lower, exactly, by an active set (Lawson and
// Hanson 1974, non-negative least squares). `gram` is P (n,n), positive semi-definite with a
// diagonal of ones or zeros; it may be singular, then one of the solutions.
std::vector<double> solve_dual(std::span<const double> gram, std::span<const double> q,
                               std::span<const double> lower);

struct Projected {
  int64_t violated = 0;  // memory gradients g_k with <g, g_k> < 0
  double cosine = 1;     // the smallest cosine of g with a g_k, before
  double moved = 0;      // |g~ - g| / |g|
};

// GEM: where a <g, g_k> is negative, replaces g by g~ = g + sum_k v_k g_k with the v of the dual
//
//   min_v 1/2 v'GG'v + (Gg)'v,  v_k >= margin;
//
// with margin 0, g~ is the vector nearest to g that has <g~, g_k> >= 0 for every k. Else g keeps
// its bits.
Projected project_gem(const Kernels& kernels, Tensor gradient, std::span<const Tensor> memory,
                      double margin);
// A-GEM: where <g, r> is negative, replaces g by g - (<g, r> / <r, r>) r. Else g keeps its bits.
Projected project_agem(const Kernels& kernels, Tensor gradient, Tensor reference);

// The gradient as it was before a projection, for METHOD.moments: raw. AdamW divides by the root of
// its second moment, so a projected gradient, which is shorter in some directions, is blown up there
// again; taken from the raw gradient the second moment leaves the projection its effect (arXiv
// 2604.22407: the first moment from the projected gradient, the second from the raw one).
class RawGradient {
 public:
  static constexpr const char* kHelp =
      "what AdamW's second moment is of: the projected gradient, or raw: the one before";

  bool wanted() const { return moments_ == "raw"; }
  std::string* option() { return &moments_; }
  // Before a projection of `gradient`, and after it; `changed`: whether it did something.
  void keep(const Kernels& kernels, Tensor gradient);
  void done(bool changed) { in_use_ = changed && wanted(); }
  // For Method::second_moment_gradient(): null where the projection changed nothing.
  Tensor view() const { return in_use_ ? raw_.view() : Tensor(); }

 private:
  std::string moments_ = "projected";
  Buffer raw_;
  bool in_use_ = false;
};

}  // namespace ilora
