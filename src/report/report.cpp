#include "report/report.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "report/analyses.h"
#include "report/assets.h"
#include "report/html.h"
#include "report/page_data.h"
#include "report/page_tables.h"
#include "report/run_data.h"
#include "report/words.h"

namespace ilora::report {
namespace {

// JavaScript for a <script> element, which nothing but its own end tag may end.
std::string script(std::string_view code) {
  constexpr std::string_view kEnd = "</script";
  std::string out;
  out.reserve(code.size());
  for (size_t i = 0; i < code.size(); ++i) {
    const std::string_view here = code.substr(i, kEnd.size());
    const bool ends =
        std::equal(here.begin(), here.end(), kEnd.begin(), kEnd.end(),
                   [](char c, char end) { return (c >= 'A' && c <= 'Z' ? c | 0x20 : c) == end; });
    out += ends ? "<\\" : std::string_view(&code[i], 1);
  }
  return out;
}

std::string without_pictures(const std::vector<RunData>& runs) {
  return "<section><h2>Pictures</h2>\n<p class=\"notice\">The pictures of this report (accuracy "
         "over time, loss, gradients) need Plotly.js, which this build of ilora does not carry: "
         "run "
         "scripts/plotly.sh, then configure and build again.</p>\n" +
         loss_tables(runs) + "</section>\n";
}

// Replaces each {{name}} of the template once; what is put in is not searched again.
std::string fill(std::string_view page, const std::map<std::string, std::string>& parts) {
  std::string out;
  while (true) {
    const size_t begin = page.find("{{");
    const size_t end = page.find("}}", begin);
    if (begin == std::string_view::npos || end == std::string_view::npos) break;
    const auto part = parts.find(std::string(page.substr(begin + 2, end - begin - 2)));
    ILORA_CHECK(part != parts.end(), "page.html names a part that report.cpp does not know");
    out += page.substr(0, begin);
    out += part->second;
    page.remove_prefix(end + 2);
  }
  return out.append(page);
}

std::string render(std::span<const std::filesystem::path> folders, std::string_view plotly) {
  std::vector<RunData> runs = read_runs({folders.begin(), folders.end()});
  const Json analyses = collect_analyses(runs);
  std::string sentences;
  for (const std::string& sentence : summary(runs)) sentences += escape(sentence) + "\n";
  std::map<std::string, std::string> parts = {
      {"title", escape(title(runs))},
      {"summary", sentences},
      {"runs", runs_table(runs) + seeds_table(runs)},
      {"marked", runs.size() > 1 && same_tasks(runs) ? "The best of each column is marked." : ""},
      {"matrices", matrices(runs)},
      {"analyses", analysis_sections(analyses, runs.size() > 1)},
      {"without_pictures", plotly.empty() ? without_pictures(runs) : ""},
      {"css", std::string(page_css())},
      {"js", script(page_js())},
      {"analysis_js", script(analysis_js())},
      {"plotly", script(plotly)},
      {"version", ILORA_VERSION},
  };
  parts["data"] = page_data(runs, analyses);  // last: it thins the curves
  return fill(page_html(), parts);
}

}  // namespace
}  // namespace ilora::report

namespace ilora {

std::string render_report(std::span<const std::filesystem::path> runs, std::string_view plotly) {
  return report::render(runs, plotly);
}

std::string render_report(std::span<const std::filesystem::path> runs) {
  return render_report(runs, report::plotly_js());
}

void write_report(std::span<const std::filesystem::path> runs,
                  const std::filesystem::path& output) {
  write_file_atomic(output, render_report(runs));
}

}  // namespace ilora
