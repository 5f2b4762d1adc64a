// What can be learned of a symmetric matrix from products with vectors alone: its trace and its
// outermost eigenvalues.
//
// Called by sharpness.cpp on Hessians; reference values: tests/golden/make_analysis.py.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/random.h"

namespace ilora {

// out = H in, both of the matrix's size.
using Product = std::function<void(std::span<double> out, std::span<const double> in)>;

// The mean over probes of z'Hz, z of random signs (Hutchinson 1990), and its standard error (0 for
// one probe).
struct TraceEstimate {
  double trace = 0, standard_error = 0;
  std::vector<double> probes;
};
TraceEstimate hutchinson_trace(const Product& multiply, int64_t size, int64_t probes,
                               const Random& random);

// Lanczos with full reorthogonalisation from a random start (Golub and Van Loan, section 10.1):
// `steps` products, fewer where an invariant subspace is met.
struct LanczosResult {
  std::vector<double> values;  // Ritz values, the largest first
  // |H u - value u| for the largest and the smallest one: how far each is from an eigenvalue, at
  // most.
  double largest_residual = 0, smallest_residual = 0;
  std::vector<double> top;  // the Ritz vector of the largest value, of length 1
};
LanczosResult lanczos(const Product& multiply, int64_t size, int64_t steps, const Random& random);

}  // namespace ilora
