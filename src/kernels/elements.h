// Single elements of tensors of any type and layout, for what compares tables: slow and general.
#pragma once

#include <array>
#include <cmath>
#include <complex>

#include "tensor/tensor.h"

namespace ilora {

inline std::complex<double> element(const Tensor& t, int64_t offset) {
  switch (t.dtype) {
    case DType::kF32:
      return static_cast<double>(t.ptr<float>()[offset]);
    case DType::kBF16:
      return static_cast<double>(to_float(t.ptr<BFloat16>()[offset]));
    case DType::kF64:
      return t.ptr<double>()[offset];
    case DType::kC128:
      return t.ptr<std::complex<double>>()[offset];
    default:
      break;
  }
  ILORA_CHECK(false, "an element of {}", t.describe());
}

inline bool is_finite(const std::complex<double>& x) {
  return std::isfinite(x.real()) && std::isfinite(x.imag());
}

// Calls body(index, offset) for every element of a tensor, in order.
template <class Body>
void for_each_element(const Tensor& t, Body body) {
  if (t.size() == 0) return;
  std::array<int64_t, Tensor::kMaxRank> index{};
  for (int64_t i = 0; i < t.size(); ++i) {
    int64_t offset = 0;
    for (size_t d = 0; d < index.size(); ++d) offset += index[d] * t.stride[d];
    body(index, offset);
    for (int d = t.rank - 1; d >= 0; --d) {
      const auto axis = static_cast<size_t>(d);
      if (++index[axis] < t.shape[axis]) break;
      index[axis] = 0;
    }
  }
}

}  // namespace ilora
