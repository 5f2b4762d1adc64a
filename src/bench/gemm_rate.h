// The machine's GEMM rate: the yardstick of `ilora bench` and a line of `ilora doctor`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace ilora {

struct GemmRate {
  int64_t m, n, k;  // c (m,n) = a (m,k) * b^T, b (n,k)
  double gflops;    // median over the repetitions
};

// Six fixed shapes, each timed `repeat` times after one warm-up.
std::vector<GemmRate> measure_gemm(const Kernels& kernels, DType operands, int repeat);

// The same by the products of a mode that computes (train/mode_choice.h).
struct ModeRates {
  std::string mode;
  std::vector<GemmRate> rates;
};
ModeRates measure_mode(const std::string& mode, int repeat);
// Of f32 and, where the CPU has instructions for it, bf16: the mode with the best rate.
ModeRates faster_rates(int repeat);

double best_gflops(const std::vector<GemmRate>& rates);

double median(std::vector<double> values);  // not empty

}  // namespace ilora
