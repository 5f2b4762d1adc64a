// Figures that an analysis describes as data, drawn as SVG and PNG by gnuplot; the page draws the
// same ones by Plotly.js (analysis.js).
//
// An analysis is a JSON file of RUN/analysis/ with "analysis", "title", "text" (sentences) and
// "figures", a list of
//
//   {id, kind, title, x_label, y_label, views: [...]}
//
// kind "lines": a view is {name, x: [..], series: [{name, values}]}; "marks": x positions to mark;
//   "log": the y axis may be logarithmic.
// kind "map": a view is {name, x: [..], y: [..], z: [row per y]}, x and y numbers or names;
//   "z_label"; "contours": lines of equal height; "range": [low, high] of the colours;
//   "paths": [{name, x, y, labels}], points on it, in order.
//
// Called by the commands of `ilora analyze`.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace ilora {

struct FigureLabels {
  std::string id, title, x, y, z{};  // z: of a map's values
};
// A figure of each kind; `more` are further keys.
Json lines_figure(const FigureLabels& labels, Json views, const Json& more = Json::object());
Json map_figure(const FigureLabels& labels, Json views, const Json& more = Json::object());

// Draws every view of every figure into folder/NAME-ID[-K].{svg,png} and says how many files that
// made; nullopt where gnuplot is not installed. Throws Error(kInternal) where gnuplot refuses.
std::optional<int> draw_figures(const Json& analysis, const std::filesystem::path& folder,
                                const std::string& name);

// The gnuplot program of one view, which writes `output` (.svg or .png).
std::string gnuplot_program(const Json& figure, const Json& view,
                            const std::filesystem::path& output);

}  // namespace ilora
