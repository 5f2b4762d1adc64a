#include "continual/orthogonality.h"

#include <cmath>

#include "base/error.h"

namespace ilora {
namespace {

double dot(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

}  // namespace

double orthogonality_penalty(Tensor da, Tensor a, Tensor b, bool normalise, double weight) {
  ILORA_CHECK(a.rank == 2 && b.rank == 2 && a.shape[1] == b.shape[1], "expected rows of one width");
  const int64_t n = a.shape[1];
  const double pairs = static_cast<double>(a.shape[0] * b.shape[0]);
  double penalty = 0;
  for (int64_t p = 0; p < a.shape[0]; ++p) {
    const float* row = a.ptr<float>() + p * a.stride[0];
    float* gradient = da.ptr<float>() + p * da.stride[0];
    const double square = dot(row, row, n);
    for (int64_t q = 0; q < b.shape[0]; ++q) {
      const float* other = b.ptr<float>() + q * b.stride[0];
      const double product = dot(row, other, n);
      const double lengths = normalise ? std::sqrt(square * dot(other, other, n)) : 1.0;
      if (product == 0 || lengths == 0) continue;
      // d|c|/da of c = <a, b> / (|a| |b|), and without the lengths.
      const double share = (product < 0 ? -1.0 : 1.0) / (normalise ? lengths * pairs : 1.0);
      const double along = normalise ? share * product / square : 0.0;
      penalty += share * product;
      for (int64_t i = 0; i < n; ++i)
        gradient[i] += static_cast<float>(
            weight * (share * static_cast<double>(other[i]) - along * static_cast<double>(row[i])));
    }
  }
  return penalty;
}

}  // namespace ilora
