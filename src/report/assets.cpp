#include "report/assets.h"

// The symbols of the generated assembly (cmake/embed.cmake): first byte, and one past the last.
extern "C" {
extern const char ilora_asset_page_html[], ilora_asset_page_html_end[];
extern const char ilora_asset_page_css[], ilora_asset_page_css_end[];
extern const char ilora_asset_page_js[], ilora_asset_page_js_end[];
extern const char ilora_asset_analysis_js[], ilora_asset_analysis_js_end[];
extern const char ilora_asset_plotly[], ilora_asset_plotly_end[];
}

namespace ilora::report {
namespace {

std::string_view view(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

}  // namespace

std::string_view page_html() {
  return view(ilora_asset_page_html, ilora_asset_page_html_end);
}
std::string_view page_css() {
  return view(ilora_asset_page_css, ilora_asset_page_css_end);
}
std::string_view page_js() {
  return view(ilora_asset_page_js, ilora_asset_page_js_end);
}
std::string_view analysis_js() {
  return view(ilora_asset_analysis_js, ilora_asset_analysis_js_end);
}
std::string_view plotly_js() {
  return view(ilora_asset_plotly, ilora_asset_plotly_end);
}

}  // namespace ilora::report
