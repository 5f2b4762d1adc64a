// Elements of tensors as the reference operations see them.
//
// The operations of kernels.h as plain loops over one scalar type are the oracle of every other
// table: one file per group, table.cpp puts them together, nobody else includes them.
//
// T is float, double or std::complex<double>. Sums run in double where T is float, and T|G
// arguments may then be BF16. Complex numbers serve differentiation by complex step (Squire and
// Trapp, 1998): f(x + ih) = f(x) + ih f'(x) + O(h^2), exact to rounding for h = 1e-30 as long as f
// is analytic. So nothing here conjugates, and branches compare real parts.
#pragma once

#include <algorithm>
#include <complex>
#include <initializer_list>
#include <type_traits>

#include "kernels/kernels.h"

namespace ilora::reference {

inline double real_part(double x) {
  return x;
}
inline double real_part(const std::complex<double>& x) {
  return x.real();
}

// What sums and intermediate values are held in.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, T>;

// Elements of a tensor by index, read as Wide<T> and rounded once when written. Indices count from
// the first dimension; a tensor of rank 3 is indexed with three.
template <class T>
class Cells {
 public:
  using W = Wide<T>;

  explicit Cells(const Tensor& t)
      : t_(t), bf16_(std::is_same_v<T, float> && t.dtype == DType::kBF16) {
    if (!bf16_ && t.data != nullptr) t.template ptr<T>();  // checks the type
  }

  int64_t dim(int axis) const { return t_.shape[static_cast<size_t>(axis)]; }

  W get(int64_t i, int64_t j = 0, int64_t k = 0) const {
    const int64_t at = offset(i, j, k);
    if constexpr (std::is_same_v<T, float>) {
      if (bf16_) return to_float(static_cast<const BFloat16*>(t_.data)[at]);
    }
    return static_cast<const T*>(t_.data)[at];
  }
  void set(W value, int64_t i, int64_t j = 0, int64_t k = 0) const {
    const int64_t at = offset(i, j, k);
    if constexpr (std::is_same_v<T, float>) {
      if (bf16_) {
        static_cast<BFloat16*>(t_.data)[at] = to_bfloat16(static_cast<float>(value));
        return;
      }
    }
    static_cast<T*>(t_.data)[at] = static_cast<T>(value);
  }
  void add(W value, int64_t i, int64_t j = 0, int64_t k = 0) const {
    set(get(i, j, k) + value, i, j, k);
  }

 private:
  int64_t offset(int64_t i, int64_t j, int64_t k) const {
    return i * t_.stride[0] + j * t_.stride[1] + k * t_.stride[2];
  }

  Tensor t_;
  bool bf16_;
};

// A contiguous tensor of any shape as a vector.
template <class T>
Cells<T> flat(const Tensor& t) {
  return Cells<T>(t.reshaped({t.size()}));
}

inline void require_shape(const char* op, const Tensor& t, std::initializer_list<int64_t> shape) {
  const bool same = t.rank == static_cast<int>(shape.size()) &&
                    std::equal(shape.begin(), shape.end(), t.shape.begin());
  ILORA_CHECK(same, "{}: unexpected shape {}", op, t.describe());
}

}  // namespace ilora::reference
