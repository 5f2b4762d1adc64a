#include "kernels/selection.h"

#include "base/error.h"

namespace ilora {

const Kernels& KernelSelection::named(std::string_view name, Bf16Products products) {
  if (name == "cpu") return cpu_kernels(products);
  if (name == "reference") return reference_kernels(DType::kF32);
  ILORA_CHECK(name == "check", "no kernels are called {}", name);
  return checked_.emplace(cpu_kernels(products), reference_kernels(DType::kF32)).table();
}

KernelSelection::KernelSelection(std::string_view name, Bf16Products products)
    : table_(&named(name, products)) {}

}  // namespace ilora
