// The reference tables, one per state type.
#include "kernels/reference/attention.h"
#include "kernels/reference/losses.h"
#include "kernels/reference/products.h"
#include "kernels/reference/rows.h"
#include "kernels/reference/vectors.h"

namespace ilora {

namespace {

template <class T>
constexpr Kernels make_table(const char* name) {
  Kernels table;
  table.name = name;
  table.state = DTypeOf<T>::value;
  reference::install_products<T>(table);
  reference::install_rows<T>(table);
  reference::install_attention<T>(table);
  reference::install_losses<T>(table);
  reference::install_vectors<T>(table);
  return table;
}

constexpr Kernels kF32 = make_table<float>("reference F32");
constexpr Kernels kF64 = make_table<double>("reference F64");
constexpr Kernels kC128 = make_table<std::complex<double>>("reference C128");

}  // namespace

const Kernels& reference_kernels(DType state) {
  switch (state) {
    case DType::kF32:
      return kF32;
    case DType::kF64:
      return kF64;
    case DType::kC128:
      return kC128;
    default:
      break;
  }
  ILORA_CHECK(false, "no reference kernels for {}", dtype_name(state));
}

}  // namespace ilora
