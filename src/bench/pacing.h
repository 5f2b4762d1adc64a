// Repetitions of a measurement, which a comparison with another program can pace.
#pragma once

#include <functional>
#include <vector>

namespace ilora {

struct Pacing {
  int warm_up = 2, repeat = 5;
  // Waits for a line on standard input before each repetition, and answers it with the seconds on
  // standard output; "ready" first. So that two programs can take turns on one machine.
  bool paced = false;
};

// Does `work` so often and tells the seconds of each repetition behind the warm-up, at whose end
// `warm` is called.
std::vector<double> repeat_timed(
    const Pacing& pacing, const std::function<void()>& work,
    const std::function<void()>& warm = [] {});

}  // namespace ilora
