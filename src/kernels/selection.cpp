#include "kernels/selection.h"

#include "base/error.h"

namespace ilora {

const Kernels& KernelSelection::named(std::string_view name) {
  if (name == "cpu") return cpu_kernels();
  if (name == "reference") return reference_kernels(DType::kF32);
  ILORA_CHECK(name == "check", "no kernels are called {}", name);
  return checked_.emplace(cpu_kernels(), reference_kernels(DType::kF32)).table();
}

KernelSelection::KernelSelection(std::string_view name, bool profiled) : table_(&named(name)) {
  if (profiled) table_ = &profiled_.emplace(*table_).table();
}

std::vector<ProfileEntry> KernelSelection::profile() const {
  return profiled_ ? profiled_->entries() : std::vector<ProfileEntry>();
}

void KernelSelection::clear_profile() {
  if (profiled_) profiled_->clear();
}

}  // namespace ilora
