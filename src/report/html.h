// Text for HTML. Called by report.cpp, page_tables.cpp and analyses.cpp.
#pragma once

#include <string>
#include <string_view>

namespace ilora::report {

// For content and double-quoted attributes.
std::string escape(std::string_view text);

}  // namespace ilora::report
