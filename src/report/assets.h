// Files that cmake/embed.cmake put into the program. Called by report.cpp.
#pragma once

#include <string_view>

namespace ilora::report {

std::string_view page_html();
std::string_view page_css();
std::string_view page_js();
std::string_view analysis_js();
std::string_view plotly_js();  // empty where the program was built without it

}  // namespace ilora::report
