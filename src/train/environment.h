// What a result was obtained on.
#pragma once

#include <string>

#include "base/json.h"
#include "runs/results.h"

namespace ilora {

std::string cpu_model();       // "Intel(R) Xeon(R) ...", or "unknown"
std::string cpu_identity();    // the same with family, model and stepping: clouds cut names short
double peak_memory_mib();      // largest resident size of this process so far
double resident_memory_mib();  // resident size now
Environment environment_of(const std::string& mode);
Json environment_json(const std::string& mode);  // the same, for what is printed

}  // namespace ilora
