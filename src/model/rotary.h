// Rotary positions (Su et al. 2021): what a model says of them, and the tables that the rotations
// read. Layers that turn alike share a table.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace ilora {

// Of each head the first d columns turn, d <= Dh even: the pair (i, i+d/2) at position p by the
// angle p * base^(-2i/d) / divisors[i]. What turns is multiplied by `magnitude`.
struct RotarySpec {
  double base = 10000.0;
  int64_t dims = 0;             // d
  std::vector<float> divisors;  // d/2; empty: all 1
  double magnitude = 1;
};

// Llama 3's scaled frequencies, config.json's rope_scaling of type "llama3".
struct Llama3Scaling {
  double factor = 1, low_frequency_factor = 1, high_frequency_factor = 4;
  double original_context = 0;
};
std::vector<float> llama3_divisors(const RotarySpec& spec, const Llama3Scaling& scaling);

// YaRN (Peng et al. 2023): frequencies that turn more often than beta_fast times within the original
// context stay, those that turn less often than beta_slow times are divided by the factor, between
// them a ramp.
struct YarnScaling {
  double factor = 1, beta_fast = 32, beta_slow = 1;
  double original_context = 0;
  bool truncate = true;  // the ramp's ends are whole numbers
};
std::vector<float> yarn_divisors(const RotarySpec& spec, const YarnScaling& scaling);
// 0.1 m ln(factor) + 1: YaRN's magnitude, where a file gives none (m = 1).
double yarn_magnitude(double factor, double multiplier = 1);
// LongRoPE's (Ding et al. 2024): sqrt(1 + ln(factor) / ln(original context)).
double longrope_magnitude(double factor, double original_context);

// Cosines and sines of a spec at positions 0 .. context-1, as T = `state`.
class RotaryTable {
 public:
  RotaryTable(const RotarySpec& spec, int64_t context, DType state);
  static int64_t bytes(const RotarySpec& spec, int64_t context, DType state) {
    return dtype_bytes(state, context * spec.dims);
  }

  Tensor cos() const { return cos_.view(); }  // (context,d/2) T
  Tensor sin() const { return sin_.view(); }  // (context,d/2) T
  // The columns of x (N,H,Dh) that turn, (N,H,d).
  Tensor turning(Tensor x) const;

 private:
  Buffer cos_, sin_;
};

}  // namespace ilora
