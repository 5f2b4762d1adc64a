#include "report/analyses.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "report/html.h"
#include "runs/analysis.h"

namespace ilora::report {
namespace {

// The order of their sections; others follow by name.
constexpr std::array<const char*, 6> kOrder = {"path",     "plane",    "cka",
                                               "distance", "subspace", "sharpness"};

size_t rank_of(const std::string& analysis) {
  return static_cast<size_t>(std::find(kOrder.begin(), kOrder.end(), analysis) - kOrder.begin());
}

// Six digits are more than a picture shows.
void round_numbers(Json& value) {
  if (value.is_number_float()) {
    const double x = value.get<double>();
    if (x == 0 || !std::isfinite(x)) return;
    const double unit = std::pow(10.0, 5 - std::floor(std::log10(std::abs(x))));
    if (std::isfinite(unit)) value = std::round(x * unit) / unit;
  } else if (value.is_structured()) {
    for (Json& item : value) round_numbers(item);
  }
}

}  // namespace

Json collect_analyses(const std::vector<RunData>& runs) {
  struct Found {
    std::string name, analysis;
    Json json;
  };
  std::vector<Found> found;
  for (const RunData& run : runs) {
    for (const auto& [name, content] : read_analyses(RunFolder(run.folder))) {
      auto at = std::ranges::find(found, name, &Found::name);
      if (at == found.end()) {
        found.push_back({name,
                         content.analysis,
                         {{"name", name}, {"title", content.title}, {"runs", Json::array()}}});
        at = found.end() - 1;
      }
      at->json["runs"].push_back(
          {{"label", run.label}, {"text", content.text}, {"figures", content.figures}});
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return std::pair(rank_of(a.analysis), a.name) < std::pair(rank_of(b.analysis), b.name);
  });
  Json list = Json::array();
  for (Found& f : found) {
    round_numbers(f.json);
    list.push_back(std::move(f.json));
  }
  return list;
}

std::string analysis_sections(const Json& analyses, bool several_runs) {
  std::string out;
  for (const Json& analysis : analyses) {
    out += fmt::format("<section id=\"analysis-{}\">\n<h2>{}</h2>\n",
                       escape(analysis["name"].get<std::string>()),
                       escape(analysis["title"].get<std::string>()));
    for (const Json& run : analysis["runs"]) {
      const std::string who =
          several_runs ? fmt::format("<b>{}</b>: ", escape(run["label"].get<std::string>())) : "";
      bool first = true;
      for (const Json& sentence : run["text"]) {
        out += fmt::format("<p class=\"note said\">{}{}</p>\n", first ? who : "",
                           escape(sentence.get<std::string>()));
        first = false;
      }
    }
    out += "<div class=\"panels\"></div>\n</section>\n\n";
  }
  return out;
}

}  // namespace ilora::report
