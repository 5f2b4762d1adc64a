// A comparison as people read it. Called by cli/publish.cpp.
#pragma once

#include <string>

#include "study/comparison.h"

namespace ilora {

// Two tables (scores, differences), what they mean, and the cells that failed: no headings, so that
// it may stand anywhere.
std::string comparison_markdown(const Comparison& comparison);
// A tabular of the scores and one of the differences; needs no package.
std::string comparison_latex(const Comparison& comparison);

}  // namespace ilora
