#include "bench/subject.h"

#include <numeric>

#include "bench/profile_table.h"

namespace ilora {

void configure(Configuration& configuration, const BenchSubject& subject) {
  configuration.recipe.model = subject.model;
  configuration.recipe.mode = subject.mode;
  configuration.recipe.profile = subject.profile;
  configuration.set(subject.settings);
}

std::vector<double> repeat_profiled(Workbench& bench, const Pacing& pacing,
                                    const std::function<void()>& work) {
  return repeat_timed(pacing, work, [&] {
    if (bench.profile) bench.profile->clear();
  });
}

Json profile_of(const Workbench& bench, const std::vector<double>& seconds, double peak_gflops,
                int64_t rank) {
  return profile_json(bench.profile->entries(),
                      std::accumulate(seconds.begin(), seconds.end(), 0.0), peak_gflops,
                      bench.model.config(), {rank});
}

}  // namespace ilora
