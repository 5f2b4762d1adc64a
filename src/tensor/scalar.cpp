#include "tensor/scalar.h"

#include <complex>

namespace ilora {

Scalar read_scalar(Tensor x, int64_t i) {
  switch (x.dtype) {
    case DType::kF32:
      return {static_cast<double>(x.ptr<float>()[i]), 0};
    case DType::kF64:
      return {x.ptr<double>()[i], 0};
    case DType::kC128: {
      const std::complex<double> z = x.ptr<std::complex<double>>()[i];
      return {z.real(), z.imag()};
    }
    default:
      break;
  }
  ILORA_CHECK(false, "read_scalar of {}", x.describe());
  return {};
}

void write_scalar(Tensor x, int64_t i, double value) {
  switch (x.dtype) {
    case DType::kF32:
      x.ptr<float>()[i] = static_cast<float>(value);
      return;
    case DType::kF64:
      x.ptr<double>()[i] = value;
      return;
    case DType::kC128:
      x.ptr<std::complex<double>>()[i] = value;
      return;
    default:
      break;
  }
  ILORA_CHECK(false, "write_scalar of {}", x.describe());
}

}  // namespace ilora
