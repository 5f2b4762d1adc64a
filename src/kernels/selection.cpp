#include "kernels/selection.h"

#include "base/error.h"

namespace ilora {

const Kernels& KernelSelection::named(std::string_view name) {
  if (name == "cpu") return cpu_kernels();
  if (name == "reference") return reference_kernels(DType::kF32);
  ILORA_CHECK(name == "check", "no kernels are called {}", name);
  return checked_.emplace(cpu_kernels(), reference_kernels(DType::kF32)).table();
}

KernelSelection::KernelSelection(std::string_view name) : table_(&named(name)) {}

}  // namespace ilora
