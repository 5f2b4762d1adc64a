// The reference tables, one per state type.
#include "kernels/reference.h"

namespace ilora {

namespace {

template <class T>
Kernels make_table(const char* name) {
  Kernels k;
  k.name = name;
  k.state = DTypeOf<T>::value;
  k.gemm = reference::gemm<T>;
  k.expand = reference::expand<T>;
  k.embed = reference::embed<T>;
  k.rmsnorm = reference::rmsnorm<T>;
  k.rmsnorm_backward = reference::rmsnorm_backward<T>;
  k.add_row = reference::add_row<T>;
  k.rope = reference::rope<T>;
  k.swiglu = reference::swiglu<T>;
  k.swiglu_backward = reference::swiglu_backward<T>;
  k.dropout = reference::dropout<T>;
  k.attention = reference::attention<T>;
  k.attention_backward = reference::attention_backward<T>;
  k.cross_entropy = reference::cross_entropy<T>;
  k.cross_entropy_backward = reference::cross_entropy_backward<T>;
  k.kl_divergence = reference::kl_divergence<T>;
  k.kl_divergence_backward = reference::kl_divergence_backward<T>;
  k.row_squared_distance = reference::row_squared_distance<T>;
  k.row_distance_backward = reference::row_distance_backward<T>;
  k.convert = reference::convert<T>;
  k.add = reference::add<T>;
  k.fill = reference::fill<T>;
  k.scale = reference::scale<T>;
  k.axpy = reference::axpy<T>;
  k.interpolate = reference::interpolate<T>;
  k.dot = reference::dot<T>;
  k.squared_distance = reference::squared_distance<T>;
  k.adamw = reference::adamw<T>;
  return k;
}

}  // namespace

const Kernels& reference_kernels(DType state) {
  static const Kernels f32 = make_table<float>("reference F32");
  static const Kernels f64 = make_table<double>("reference F64");
  static const Kernels c128 = make_table<std::complex<double>>("reference C128");
  switch (state) {
    case DType::kF32:
      return f32;
    case DType::kF64:
      return f64;
    case DType::kC128:
      return c128;
    default:
      break;
  }
  ILORA_CHECK(false, "no reference kernels for {}", dtype_name(state));
}

}  // namespace ilora
