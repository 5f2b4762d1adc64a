#include "train/environment.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "runs/schema.h"

namespace ilora {

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

double peak_memory_mib() {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;  // Linux gives KiB
}

double resident_memory_mib() {
  std::ifstream file("/proc/self/statm");
  double pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

Environment environment_of(const std::string& mode) {
  return {ILORA_VERSION, cpu_model(), cpu_features().target, max_threads(), mode};
}

Json environment_json(const std::string& mode) {
  return json_of(environment_of(mode));
}

}  // namespace ilora
