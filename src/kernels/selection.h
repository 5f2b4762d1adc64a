// The table that a run asks for, and what it is made of.
#pragma once

#include <optional>
#include <string_view>

#include "kernels/check.h"
#include "kernels/profile.h"

namespace ilora {

class KernelSelection {
 public:
  // `name` as in engine.kernels: cpu, reference, or check, the first compared with the second.
  KernelSelection(std::string_view name, bool profiled);
  KernelSelection(const KernelSelection&) = delete;
  KernelSelection& operator=(const KernelSelection&) = delete;

  const Kernels& table() const { return *table_; }
  // What a profiled table has seen since clear_profile(); of another one, nothing.
  std::vector<ProfileEntry> profile() const;
  void clear_profile();

 private:
  const Kernels& named(std::string_view name);

  std::optional<CheckedKernels> checked_;
  std::optional<ProfiledKernels> profiled_;
  const Kernels* table_;
};

}  // namespace ilora
