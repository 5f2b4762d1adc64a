#include "study/trials.h"

#include "base/error.h"
#include "base/json.h"
#include "runs/results.h"
#include "runs/schema.h"
#include "runs/spread.h"

namespace ilora {
namespace {

Score score_of(const Cell& cell) {
  if (cell.state() != CellState::kFinished) return std::nullopt;
  return read_run_file<Results>(cell.run()).metrics.average_accuracy;
}

// A cell of a Markdown table holds no line breaks and no bars.
std::string one_line(std::string text) {
  for (size_t at = 0; (at = text.find_first_of("|\n", at)) != std::string::npos; ++at)
    text[at] = text[at] == '|' ? '/' : ' ';
  return text;
}

// What `read` makes of the methods in a sweep's trials.json.
template <class Read>
auto read_sweep(const std::filesystem::path& folder, Read read) {
  const std::filesystem::path file = folder / "trials.json";
  const Json json = read_json(file);
  try {
    return read(json.at("methods"));
  } catch (const Json::exception& e) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[sweep] expected methods with chosen and trials: {} ({})",
                            what_is_wrong(e), file.string()));
  }
}

}  // namespace

std::optional<double> Trial::score() const {
  std::vector<double> scores;
  for (const Cell& cell : cells) {
    const auto score = score_of(cell);
    if (!score) return std::nullopt;
    scores.push_back(*score);
  }
  return spread_of(scores).mean;
}

std::string Trial::failure() const {
  for (const Cell& cell : cells)
    if (std::string why = cell.failure(); !why.empty()) return why;
  return {};
}

std::string Trial::name() const {
  return point.empty() ? "as configured" : fmt::format("{}", fmt::join(point, ", "));
}

std::optional<size_t> MethodTrials::best() const {
  std::optional<size_t> best;
  double highest = 0;
  for (size_t i = 0; i < trials.size(); ++i) {
    const auto score = trials[i].score();
    if (!score || (best && *score <= highest)) continue;
    best = i;
    highest = *score;
  }
  return best;
}

std::vector<Cell> cells_by_trial(const std::vector<MethodTrials>& methods) {
  std::vector<Cell> cells;
  for (const MethodTrials& tried : methods) {
    for (const Trial& trial : tried.trials) {
      for (const Cell& cell : trial.cells)
        cells.emplace_back(cell).method =
            methods.size() == 1 ? trial.name() : fmt::format("{}: {}", tried.method, trial.name());
    }
  }
  return cells;
}

std::string trials_markdown(const std::vector<MethodTrials>& methods, const std::string& command) {
  std::string out = fmt::format(
      "# What was tried\n\n`{}`\n\nThe score is the average accuracy on the eval splits after the "
      "last task, of the learner that is deployed. **Bold**: chosen.\n\n"
      "| method | trial | settings | average accuracy (eval) |\n|---|---|---|---|\n",
      one_line(command));
  for (const MethodTrials& tried : methods) {
    const auto best = tried.best();
    for (size_t i = 0; i < tried.trials.size(); ++i) {
      const Trial& trial = tried.trials[i];
      const auto score = trial.score();
      const std::string shown = score                     ? fmt::format("{:.4f}", *score)
                                : trial.failure().empty() ? "not run yet"
                                                          : "failed: " + one_line(trial.failure());
      out += fmt::format("| {} | {} | {} | {} |\n", tried.method, i + 1, one_line(trial.name()),
                         best == i ? "**" + shown + "**" : shown);
    }
  }
  return out;
}

void write_trials_json(const std::filesystem::path& file, const std::vector<MethodTrials>& methods,
                       const std::string& command) {
  Json json = {{"schema", 1},
               {"command", command},
               {"split", "eval"},
               {"objective", "average_accuracy"},
               {"methods", Json::object()}};
  for (const MethodTrials& tried : methods) {
    Json trials = Json::array();
    for (const Trial& trial : tried.trials) {
      Json seeds = Json::array();
      for (const Cell& cell : trial.cells) {
        const auto score = score_of(cell);
        seeds.push_back({{"seed", cell.seed}, {"score", json_of(score)}});
      }
      const auto score = trial.score();
      trials.push_back({{"settings", trial.point}, {"score", json_of(score)}, {"seeds", seeds}});
      if (!trial.failure().empty()) trials.back()["error"] = trial.failure();
    }
    const auto best = tried.best();
    json["methods"][tried.method] = {{"chosen", best ? Json(*best + 1) : Json(nullptr)},
                                     {"trials", trials}};
  }
  write_json(file, json);
}

std::filesystem::path trial_folder(const std::filesystem::path& sweep, const std::string& method,
                                   size_t trial, int64_t seed) {
  return sweep / method / fmt::format("trial-{:02}", trial + 1) / fmt::format("seed-{}", seed);
}

std::vector<MethodTrials> read_trials(const std::filesystem::path& folder) {
  return read_sweep(folder, [&](const Json& methods) {
    std::vector<MethodTrials> all;
    for (const auto& [method, tried] : methods.items()) {
      MethodTrials& trials = all.emplace_back(MethodTrials{method, {}});
      for (const Json& entry : tried.at("trials")) {
        const size_t number = trials.trials.size();
        Trial& trial = trials.trials.emplace_back(Trial{entry.at("settings"), {}});
        for (const Json& cell : entry.at("seeds")) {
          const int64_t seed = cell.at("seed");
          trial.cells.push_back({method,
                                 seed,
                                 fmt::format("{}, trial {}, seed {}", method, number + 1, seed),
                                 trial_folder(folder, method, number, seed),
                                 {}});
        }
      }
    }
    return all;
  });
}

std::optional<SearchPoint> chosen_point(const std::filesystem::path& folder,
                                        const std::string& method) {
  return read_sweep(folder, [&](const Json& methods) -> std::optional<SearchPoint> {
    if (!methods.contains(method) || methods.at(method).at("chosen").is_null()) return std::nullopt;
    const Json& tried = methods.at(method);
    return tried.at("trials").at(tried.at("chosen").get<size_t>() - 1).at("settings");
  });
}

}  // namespace ilora
