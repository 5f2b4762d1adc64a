// What `ilora analyze` wrote into the runs of a report: RUN/analysis/*.json (figures.h).
//
// Called by report.cpp.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "report/run_data.h"

namespace ilora::report {

// [{name, title, runs: [{label, text, figures}]}], the same name in all runs together; numbers
// rounded to six digits. Throws Error(kFormat) naming the file that is no analysis.
Json collect_analyses(const std::vector<RunData>& runs);

// One section each: title and sentences; page and analysis.js add the pictures.
std::string analysis_sections(const Json& analyses, bool several_runs);

}  // namespace ilora::report
