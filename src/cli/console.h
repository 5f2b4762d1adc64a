// The program's own log, on standard error. Only commands use it; what they call is given a log, or
// an observer that writes to one (session/training_log.h).
#pragma once

#include <string>
#include <vector>

#include "base/log.h"

namespace ilora {

Log& log();
void warn_of(const std::string& warning);  // empty: of nothing
void warn_each(const std::vector<std::string>& warnings);

}  // namespace ilora
