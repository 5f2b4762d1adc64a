#include "bench/pacing.h"

#include <iostream>
#include <string>

#include "base/clock.h"
#include "base/error.h"

namespace ilora {

std::vector<double> repeat_timed(const Pacing& pacing, const std::function<void()>& work,
                                 const std::function<void()>& warm) {
  std::vector<double> seconds;
  const auto once = [&] {
    const double began = seconds_now();
    work();
    seconds.push_back(seconds_now() - began);
  };
  for (int i = 0; i < pacing.warm_up; ++i) work();
  warm();
  if (!pacing.paced) {
    for (int i = 0; i < pacing.repeat; ++i) once();
    return seconds;
  }
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    once();
    std::cout << seconds.back() << std::endl;
  }
  if (seconds.empty()) {
    throw Error(ErrorKind::kUsage, "[bench] --paced got no line on standard input",
                "Each line asks for one repetition.");
  }
  return seconds;
}

}  // namespace ilora
