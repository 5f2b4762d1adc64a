// What a server has done, as Prometheus reads it.
// https://prometheus.io/docs/instrumenting/exposition_formats
#pragma once

#include <cstdint>
#include <string>

#include "serve/answering.h"

namespace ilora {

std::string status_text(const AnsweringCounts& counts, int64_t requests, double seconds_up);

}  // namespace ilora
