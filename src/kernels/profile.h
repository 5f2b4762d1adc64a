// Where the time goes: a table that passes every call on to another one and keeps its time. The
// engine knows nothing of it. `ilora train --profile` and `ilora bench step --profile` print it.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cost.h"
#include "kernels/kernels.h"

namespace ilora {

// Calls of one operation; of gemm, those of one class of shapes.
struct ProfileEntry {
  const char* operation = "";  // as in Kernels
  GemmClass gemm;
  int64_t calls = 0;
  double seconds = 0;
  double flops = 0, bytes = 0;  // as in Cost, summed
};

// The table that times `kernels`, and what it saw; for calls from one thread at a time. Its
// operations speak of this object.
class ProfiledKernels {
 public:
  explicit ProfiledKernels(const Kernels& kernels);
  ProfiledKernels(const ProfiledKernels&) = delete;
  ProfiledKernels& operator=(const ProfiledKernels&) = delete;

  const Kernels& table() const { return table_; }
  // Forgets what was timed so far.
  void clear() { entries_.clear(); }
  // What was called since, in the order of first calls.
  const std::vector<ProfileEntry>& entries() const { return entries_; }

 private:
  template <auto kMember>
  struct Timed;

  void record(const char* operation, const Cost& cost, double seconds);

  Kernels timed_, table_;
  std::vector<ProfileEntry> entries_;
};

}  // namespace ilora
