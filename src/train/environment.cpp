#include "train/environment.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <string_view>

#include "base/error.h"
#include "base/parallel.h"
#include "kernels/kernels.h"
#include "runs/schema.h"

namespace ilora {

namespace {

// What /proc/cpuinfo says of the first processor under `key`.
std::string cpu_fact(std::string_view key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line) && !line.empty();) {
    if (!line.starts_with(key)) continue;
    const size_t after = line.find_first_not_of(" \t", key.size());
    if (after != std::string::npos && line[after] == ':')
      return after + 2 <= line.size() ? line.substr(after + 2) : "";
  }
  return "unknown";
}

}  // namespace

std::string cpu_model() {
  return cpu_fact("model name");
}

std::string cpu_identity() {
  return fmt::format("{} ({}/{}/{})", cpu_model(), cpu_fact("cpu family"), cpu_fact("model"),
                     cpu_fact("stepping"));
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
