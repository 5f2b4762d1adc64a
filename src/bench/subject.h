// What every measurement of a model is told: which model, how it computes, what is timed how often.
#pragma once

#include <string>
#include <vector>

#include "bench/pacing.h"
#include "session/configuration.h"
#include "train/workbench.h"

namespace ilora {

struct BenchSubject {
  std::string model{}, mode = "auto";
  std::vector<std::string> settings{};  // "key=value", applied last
  Pacing pacing;
  bool profile = false;
};

// The recipe of `configuration` becomes what the subject says.
void configure(Configuration& configuration, const BenchSubject& subject);

// What each repetition of `work` took, and the profile, where there is one, of those alone.
std::vector<double> repeat_profiled(Workbench& bench, const Pacing& pacing,
                                    const std::function<void()>& work);

// The profile of repetitions that took `seconds`, beside a GEMM rate (profile_table.h).
Json profile_of(const Workbench& bench, const std::vector<double>& seconds, double peak_gflops,
                int64_t rank);

}  // namespace ilora
