#include "continual/orthonormal.h"

#include <cmath>
#include <vector>

#include "base/error.h"

namespace ilora {
namespace {

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

int64_t orthonormalise_rows(Tensor rows) {
  ILORA_CHECK(rows.rank == 2 && rows.dtype == DType::kF32, "expected rows of float32");
  constexpr double kSpanned = 1e-5;  // of a row's length: what rounding leaves of it
  const int64_t n = rows.shape[1];
  std::vector<std::vector<double>> basis;
  for (int64_t r = 0; r < rows.shape[0]; ++r) {
    float* row = rows.ptr<float>() + r * rows.stride[0];
    std::vector<double> rest(row, row + n);
    const double length = std::sqrt(dot(rest, rest));
    for (int turn = 0; turn < 2; ++turn) {
      for (const std::vector<double>& q : basis) {
        const double along = dot(rest, q);
        for (size_t i = 0; i < rest.size(); ++i) rest[i] -= along * q[i];
      }
    }
    const double left = std::sqrt(dot(rest, rest));
    const bool spanned = left <= kSpanned * length;
    for (size_t i = 0; i < rest.size(); ++i) {
      rest[i] = spanned ? 0.0 : rest[i] / left;
      row[i] = static_cast<float>(rest[i]);
    }
    if (!spanned) basis.push_back(std::move(rest));
  }
  return static_cast<int64_t>(basis.size());
}

}  // namespace ilora
