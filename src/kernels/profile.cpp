#include "kernels/profile.h"

#include <algorithm>
#include <chrono>

#include "kernels/operations.h"

namespace ilora {

// Calls the wrapped table's operation between two looks at the clock; one that throws counts too.
template <class R, class... Args, Op<R(Args...)> Kernels::*kMember>
struct ProfiledKernels::Timed<kMember> {
  static R call(ProfiledKernels& self, Args... args) {
    using Clock = std::chrono::steady_clock;
    struct Stopwatch {
      ProfiledKernels& profile;
      Cost cost;
      Clock::time_point began = Clock::now();
      ~Stopwatch() {
        const std::chrono::duration<double> seconds = Clock::now() - began;
        profile.record(operation<kMember>().name, cost, seconds.count());
      }
    } const watch{self, operation<kMember>().cost(args...)};
    return (self.timed_.*kMember)(args...);
  }
};

ProfiledKernels::ProfiledKernels(const Kernels& kernels) : timed_(kernels) {
  table_.name = "profile";
  table_.state = kernels.state;
  for_each_operation([&]<auto kMember>(const Operation<kMember>&) {
    (table_.*kMember).template bind<Timed<kMember>::call>(*this);
  });
}

void ProfiledKernels::record(const char* operation, const Cost& cost, double seconds) {
  auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const ProfileEntry& e) {
    return e.operation == operation && e.gemm == cost.gemm;
  });
  if (entry == entries_.end())
    entry = entries_.insert(entry, {.operation = operation, .gemm = cost.gemm});
  ++entry->calls;
  entry->seconds += seconds;
  entry->flops += cost.flops;
  entry->bytes += cost.bytes;
}

}  // namespace ilora
