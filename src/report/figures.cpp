#include "report/figures.h"

#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <regex>
#include <sstream>

#include "base/error.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

// A text in gnuplot's single quotes, where nothing but the quote itself is special.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c == '\n' ? ' ' : c;
  }
  return out + "'";
}

std::string number(const Json& value) {
  return value.is_number() ? fmt::format("{}", value.get<double>()) : "NaN";
}

std::string label(const Json& figure, const char* key) {
  return quoted(figure.value(key, ""));
}

// Positions of an axis: numbers as they are; names at 0, 1, 2, ...
std::string position(const Json& axis, size_t i) {
  return axis[i].is_number() ? number(axis[i]) : fmt::format("{}", i);
}

std::string named_tics(const Json& axis, const char* which) {
  if (axis.empty() || axis[0].is_number()) return {};
  std::vector<std::string> tics;
  for (size_t i = 0; i < axis.size(); ++i)
    tics.push_back(fmt::format("{} {}", quoted(axis[i].get<std::string>()), i));
  return fmt::format("set {} ({})\n", which, fmt::join(tics, ", "));
}

std::string lines_program(const Json& figure, const Json& view) {
  const Json& x = view.at("x");
  std::string data = "$data << EOD\n";
  for (size_t i = 0; i < x.size(); ++i) {
    data += position(x, i);
    for (const Json& series : view.at("series"))
      data += fmt::format(" {}", number(series.at("values").at(i)));
    data += '\n';
  }
  data += fmt::format("EOD\n{}", named_tics(x, "xtics"));
  for (const Json& mark : figure.value("marks", Json::array()))
    data += fmt::format(
        "set arrow from first {0}, graph 0 to first {0}, graph 1 nohead lc rgb '#888888' dt 3\n",
        number(mark));
  std::vector<std::string> lines;
  for (const Json& series : view.at("series"))
    lines.push_back(fmt::format("$data using 1:{} with linespoints pt 7 ps 0.4 lw 2 title {}",
                                lines.size() + 2, quoted(series.at("name"))));
  return fmt::format("{}set key outside right top\nset grid lc rgb '#dddddd'\nplot {}\n", data,
                     fmt::join(lines, ", "));
}

std::string map_program(const Json& figure, const Json& view) {
  const Json &x = view.at("x"), &y = view.at("y"), &z = view.at("z");
  std::string data = "$grid << EOD\n";
  for (size_t i = 0; i < y.size(); ++i) {
    for (size_t j = 0; j < x.size(); ++j)
      data += fmt::format("{} {} {}\n", position(x, j), position(y, i), number(z.at(i).at(j)));
    data += "\n";
  }
  data += fmt::format("EOD\n{}{}", named_tics(x, "xtics rotate by -35"), named_tics(y, "ytics"));
  if (figure.contains("range"))
    data += fmt::format("set cbrange [{}:{}]\n", number(figure["range"][0]),
                        number(figure["range"][1]));
  data += "set palette defined (0 '#f3f6fa', 0.5 '#7fa6d6', 1 '#1d3f70')\n";
  data += fmt::format("set cblabel {} noenhanced\n", label(figure, "z_label"));
  std::string plot = "plot $grid using 1:2:3 with image notitle";
  if (figure.value("contours", false)) {
    data +=
        "set contour base\nunset surface\nset cntrparam levels auto 12\n"
        "set table $contours\nsplot $grid using 1:2:3\nunset table\n";
    plot += ", $contours using 1:2 with lines lc rgb '#555555' lw 0.7 notitle";
  }
  size_t k = 0;
  for (const Json& path : view.value("paths", Json::array())) {
    data += fmt::format("$path{} << EOD\n", k);
    for (size_t i = 0; i < path.at("x").size(); ++i)
      data += fmt::format("{} {}\n", number(path["x"][i]), number(path.at("y").at(i)));
    data += "EOD\n";
    plot += fmt::format(", $path{} using 1:2 with linespoints pt 7 ps 0.7 lw 2 title {}", k++,
                        quoted(path.at("name")));
  }
  return fmt::format("{}set key outside bottom center horizontal\n{}\n", data, plot);
}

bool has_gnuplot() {
  const char* folders = std::getenv("PATH");
  if (folders == nullptr) return false;
  std::istringstream path(folders);
  for (std::string folder; std::getline(path, folder, ':');) {
    if (fs::exists(fs::path(folder) / "gnuplot")) return true;
  }
  return false;
}

void run_gnuplot(const std::string& program, const fs::path& output) {
  FILE* pipe = popen("gnuplot", "w");
  if (pipe == nullptr) {
    throw Error(ErrorKind::kInternal, "[analyze] gnuplot cannot be started");
  }
  // A gnuplot that ends before it has read all is an error here, not the program's end.
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  const size_t written = std::fwrite(program.data(), 1, program.size(), pipe);
  const int status = pclose(pipe);
  std::signal(SIGPIPE, before);
  if (written != program.size() || status != 0 || !fs::exists(output)) {
    throw Error(ErrorKind::kInternal,
                fmt::format("[analyze] gnuplot could not draw {}", output.string()),
                "Its own words are above. The JSON and CSV files are written.");
  }
}

// Pictures of an earlier analysis of that name: it may have had more views.
void remove_pictures(const fs::path& folder, const std::string& name) {
  const std::regex picture(name + "-[a-z]+(-[0-9]+)?[.](svg|png)");
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (std::regex_match(entry.path().filename().string(), picture)) fs::remove(entry.path());
  }
}

}  // namespace

std::string gnuplot_program(const Json& figure, const Json& view, const fs::path& output) {
  const bool png = output.extension() == ".png";
  std::string program = fmt::format(
      "set terminal {} noenhanced\nset output {}\nset encoding utf8\n",
      png ? "pngcairo size 1400,900 fontscale 1.6 linewidth 2" : "svg size 700,450 font 'sans,12'",
      quoted(output.string()));
  const std::string name = view.value("name", "");
  const std::string title =
      fmt::format("{}{}{}", figure.value("title", ""), name.empty() ? "" : ": ", name);
  program += fmt::format("set title {}\nset xlabel {}\nset ylabel {}\n", quoted(title),
                         label(figure, "x_label"), label(figure, "y_label"));
  return program +
         (figure.at("kind") == "map" ? map_program(figure, view) : lines_program(figure, view));
}

Json lines_figure(const FigureLabels& labels, Json views, const Json& more) {
  Json figure = {{"id", labels.id},
                 {"kind", "lines"},
                 {"title", labels.title},
                 {"x_label", labels.x},
                 {"y_label", labels.y}};
  figure.update(more);
  figure["views"] = std::move(views);
  return figure;
}

Json map_figure(const FigureLabels& labels, Json views, const Json& more) {
  Json figure = {{"id", labels.id},     {"kind", "map"},       {"title", labels.title},
                 {"x_label", labels.x}, {"y_label", labels.y}, {"z_label", labels.z}};
  figure.update(more);
  figure["views"] = std::move(views);
  return figure;
}

std::optional<int> draw_figures(const Json& analysis, const fs::path& folder,
                                const std::string& name) {
  remove_pictures(folder, name);
  if (!has_gnuplot()) return std::nullopt;
  int count = 0;
  for (const Json& figure : analysis.at("figures")) {
    const Json& views = figure.at("views");
    for (size_t k = 0; k < views.size(); ++k) {
      const std::string number = views.size() > 1 ? fmt::format("-{}", k + 1) : "";
      for (const char* extension : {".svg", ".png"}) {
        const fs::path output =
            folder / (name + "-" + figure.at("id").get<std::string>() + number + extension);
        run_gnuplot(gnuplot_program(figure, views[k], output), output);
        ++count;
      }
    }
  }
  return count;
}

}  // namespace ilora
