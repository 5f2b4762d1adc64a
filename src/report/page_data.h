// What page.js draws from. Called by report.cpp.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "report/run_data.h"

namespace ilora::report {

// JSON that is safe inside <script>: no '<', so neither an end tag nor a comment can begin in it.
// Thins the curves of `runs` to what a page carries. `analyses`: report/analyses.h.
std::string page_data(std::vector<RunData>& runs, const Json& analyses);

}  // namespace ilora::report
