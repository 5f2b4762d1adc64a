#include "cli/console.h"

namespace ilora {

Log& log() {
  static Log instance;
  return instance;
}

void warn_of(const std::string& warning) {
  if (!warning.empty()) log().warn("{}", warning);
}

void warn_each(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) log().warn("{}", warning);
}

}  // namespace ilora
