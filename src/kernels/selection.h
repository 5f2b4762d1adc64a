// The table that a run asks for by name, and what it is made of.
#pragma once

#include <optional>
#include <string_view>

#include "kernels/check.h"

namespace ilora {

class KernelSelection {
 public:
  // `name` as in engine.kernels: cpu, reference, or check, the first compared with the second.
  // `products`: the fast table's.
  explicit KernelSelection(std::string_view name, Bf16Products products = Bf16Products::kNative);
  KernelSelection(const KernelSelection&) = delete;
  KernelSelection& operator=(const KernelSelection&) = delete;

  const Kernels& table() const { return *table_; }

 private:
  const Kernels& named(std::string_view name, Bf16Products products);

  std::optional<CheckedKernels> checked_;
  const Kernels* table_;
};

}  // namespace ilora
