// The program's own log, on standard error. Only commands use it; what they call is given a log, or
// an observer that writes to one (session/training_log.h).
#pragma once

#include <string>
#include <vector>

#include "base/log.h"
#include "model/model_files.h"

namespace ilora {

Log& log();
void warn_of(const std::string& warning);  // empty: of nothing
void warn_each(const std::vector<std::string>& warnings);
// What of a folder of several models in one is not read; nothing where all is.
void say_left_out(const ModelFiles& files);

}  // namespace ilora
