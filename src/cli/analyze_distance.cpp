// ilora analyze distance and subspace: how far a run's adapters lie from each other, block by
// block.
#include <algorithm>
#include <functional>
#include <map>

#include "analysis/distance.h"
#include "analysis/interpolate.h"
#include "base/error.h"
#include "cli/analyze.h"
#include "report/figures.h"

namespace ilora {
namespace {

struct DistanceArguments : AnalyzeOptions {
  std::vector<std::string> learners;
};

struct NamedAdapter {
  std::string name;  // "slow 2"
  std::string learner;
  Adapter adapter;
};

// Of neighbours in the list: whether the second is the next checkpoint of the first one's learner.
bool same_learner(const NamedAdapter& a, const NamedAdapter& b) {
  return a.learner == b.learner;
}

// The checkpoints of the learners asked for (default: all), learner by learner.
std::vector<NamedAdapter> checkpoints(AnalyzedRun& run, const DistanceArguments& a) {
  std::vector<std::string> learners = a.learners;
  if (learners.empty()) learners = run.folder().learners(run.last_task());
  for (const std::string& learner : learners) {
    if (std::ranges::count(learners, learner) > 1)
      throw Error(ErrorKind::kUsage,
                  fmt::format("[analyze] learner {} is named twice (--learner)", learner));
  }
  std::vector<NamedAdapter> list;
  for (const std::string& learner : learners) {
    for (const int64_t task : run.saved_tasks()) {
      const std::string name =
          learners.size() > 1 ? fmt::format("{} {}", learner, task) : fmt::format("task {}", task);
      list.push_back({name, learner, run.adapter(run.checkpoint(task, learner))});
      require_same_layout(list.front().adapter, list.front().name, list.back().adapter, name);
    }
  }
  if (list.size() < 2) {
    throw Error(ErrorKind::kUsage, fmt::format("[analyze] {} has one checkpoint only", a.run),
                "Two are compared.");
  }
  return list;
}

Json names_of(const std::vector<NamedAdapter>& list) {
  Json names = Json::array();
  for (const NamedAdapter& a : list) names.push_back(a.name);
  return names;
}

// A map of layers by modules. `value` gives one block's value of a pair.
template <class Block>
Json block_view(const std::string& name, const std::vector<Block>& blocks,
                const std::function<double(const Block&)>& value) {
  Json modules = Json::array(), layers = Json::array();
  std::map<std::pair<int64_t, std::string>, double> values;
  for (const Block& b : blocks) {
    const std::string module(module_name(b.block.module));
    if (std::find(modules.begin(), modules.end(), module) == modules.end())
      modules.push_back(module);
    if (layers.empty() || layers.back() != b.block.layer) layers.push_back(b.block.layer);
    values[{b.block.layer, module}] = value(b);
  }
  Json z = Json::array();
  for (const Json& module : modules) {
    Json row = Json::array();
    for (const Json& layer : layers) row.push_back(values[{layer, module}]);
    z.push_back(row);
  }
  return {{"name", name}, {"x", layers}, {"y", modules}, {"z", z}};
}

// ---- distance ------------------------------------------------------------------------------

using Pairs = std::vector<std::vector<AdapterCloseness>>;  // [i][j - i - 1], i < j

const AdapterCloseness& pair(const Pairs& pairs, size_t i, size_t j) {
  return pairs[std::min(i, j)][std::max(i, j) - std::min(i, j) - 1];
}

Json matrix_view(const std::string& name, const Json& names, const Pairs& pairs,
                 const std::function<double(const AdapterCloseness&)>& value, double diagonal) {
  Json z = Json::array();
  for (size_t i = 0; i < names.size(); ++i) {
    Json row = Json::array();
    for (size_t j = 0; j < names.size(); ++j)
      row.push_back(i == j ? diagonal : value(pair(pairs, i, j)));
    z.push_back(row);
  }
  return {{"name", name}, {"x", names}, {"y", names}, {"z", z}};
}

void analyze_distance(const DistanceArguments& a) {
  AnalyzedRun run(a);
  const std::vector<NamedAdapter> list = checkpoints(run, a);
  const Json names = names_of(list);
  Pairs pairs(list.size());
  NumberTable csv{{"from", "to", "block", "factor_distance", "factor_cosine", "product_distance",
                   "product_cosine"},
                  {}};
  const auto add_row = [&](size_t i, size_t j, const std::string& block, const Closeness& f,
                           const Closeness& p) {
    csv.rows.push_back({list[i].name, list[j].name, block, csv_number(f.distance),
                        csv_number(f.cosine), csv_number(p.distance), csv_number(p.cosine)});
  };
  for (size_t i = 0; i < list.size(); ++i) {
    for (size_t j = i + 1; j < list.size(); ++j) {
      const AdapterCloseness& c =
          pairs[i].emplace_back(closeness(list[i].adapter, list[j].adapter));
      add_row(i, j, "all", c.factors, c.products);
      for (const BlockCloseness& b : c.blocks) add_row(i, j, b.block.name(), b.factors, b.products);
    }
  }
  Json distances = Json::array(), cosines = Json::array(), blocks = Json::array();
  distances.push_back(matrix_view(
      "products BA", names, pairs, [](const auto& c) { return c.products.distance; }, 0));
  distances.push_back(matrix_view(
      "factors A and B", names, pairs, [](const auto& c) { return c.factors.distance; }, 0));
  cosines.push_back(matrix_view(
      "products BA", names, pairs, [](const auto& c) { return c.products.cosine; }, 1));
  cosines.push_back(matrix_view(
      "factors A and B", names, pairs, [](const auto& c) { return c.factors.cosine; }, 1));
  std::string terminal = fmt::format("{:<12} {:<12} {:>10} {:>8} {:>10} {:>8}\n", "from", "to",
                                     "factors", "cosine", "products", "cosine");
  for (size_t i = 0; i + 1 < list.size(); ++i) {
    if (!same_learner(list[i], list[i + 1])) continue;
    const AdapterCloseness& c = pair(pairs, i, i + 1);
    blocks.push_back(block_view<BlockCloseness>(
        fmt::format("{} to {}", list[i].name, list[i + 1].name), c.blocks,
        [](const BlockCloseness& b) { return b.products.distance; }));
    terminal += fmt::format("{:<12} {:<12} {:>10.4f} {:>8.4f} {:>10.4f} {:>8.4f}\n", list[i].name,
                            list[i + 1].name, c.factors.distance, c.factors.cosine,
                            c.products.distance, c.products.cosine);
  }
  Json result = analysis_result(run, "distance", "Distances between checkpoints");
  result["adapters"] = names;
  result["distance"] = {{"products", distances[0]["z"]}, {"factors", distances[1]["z"]}};
  result["cosine"] = {{"products", cosines[0]["z"]}, {"factors", cosines[1]["z"]}};
  result["text"] = {
      "Distance and cosine of the updates BA that the model sees, and of the factors A and B as "
      "vectors."};
  result["figures"] = {map_figure({"distance", "Distance", "", "", "distance"}, distances),
                       map_figure({"cosine", "Cosine", "", "", "cosine"}, cosines)};
  if (!blocks.empty())
    result["figures"].push_back(
        map_figure({"blocks", "Distance of products by layer", "layer", "", "distance"}, blocks));
  finish_analysis(run, a, result, csv, terminal);
}

// ---- subspace ------------------------------------------------------------------------------

void analyze_subspace(const DistanceArguments& a) {
  AnalyzedRun run(a);
  const std::vector<NamedAdapter> list = checkpoints(run, a);
  NumberTable csv{{"from", "to", "block", "side", "index", "degrees"}, {}};
  Json inputs = Json::array(), outputs = Json::array(), detail = Json::array();
  std::string terminal =
      fmt::format("{:<12} {:<12} {:>14} {:>14}\n", "from", "to", "input overlap", "output overlap");
  for (size_t i = 0; i + 1 < list.size(); ++i) {
    if (!same_learner(list[i], list[i + 1])) continue;
    const auto angles = subspace_angles(list[i].adapter, list[i + 1].adapter);
    const std::string name = fmt::format("{} to {}", list[i].name, list[i + 1].name);
    inputs.push_back(block_view<BlockAngles>(name, angles,
                                             [](const BlockAngles& b) { return b.input_overlap; }));
    outputs.push_back(block_view<BlockAngles>(
        name, angles, [](const BlockAngles& b) { return b.output_overlap; }));
    double input = 0, output = 0;
    Json blocks = Json::object();
    for (const BlockAngles& b : angles) {
      input += b.input_overlap / static_cast<double>(angles.size());
      output += b.output_overlap / static_cast<double>(angles.size());
      blocks[b.block.name()] = {{"input", b.input}, {"output", b.output}};
      for (const auto& [side, degrees] :
           {std::pair("input", &b.input), std::pair("output", &b.output)}) {
        for (size_t k = 0; k < degrees->size(); ++k)
          csv.rows.push_back({list[i].name, list[i + 1].name, b.block.name(), side,
                              fmt::format("{}", k), csv_number((*degrees)[k])});
      }
    }
    detail.push_back({{"from", list[i].name},
                      {"to", list[i + 1].name},
                      {"input_overlap", input},
                      {"output_overlap", output},
                      {"degrees", blocks}});
    terminal += fmt::format("{:<12} {:<12} {:>14.4f} {:>14.4f}\n", list[i].name, list[i + 1].name,
                            input, output);
  }
  if (detail.empty()) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[analyze] {} has one checkpoint of each learner only", a.run),
                "Subspaces are compared between successive checkpoints of a learner.");
  }
  Json result = analysis_result(run, "subspace", "Subspaces of the updates");
  result["pairs"] = detail;
  result["text"] = {
      "Overlap: mean squared cosine of the principal angles between what two updates read (input) "
      "and write (output); 1 is one space. Two unrelated spaces of rank r in n dimensions overlap "
      "by r/n."};
  const Json range = {{"range", {0, 1}}};
  result["figures"] = {
      map_figure({"input", "Overlap of input spaces", "layer", "", "overlap"}, inputs, range),
      map_figure({"output", "Overlap of output spaces", "layer", "", "overlap"}, outputs, range)};
  finish_analysis(run, a, result, csv, terminal);
}

void add_command(CLI::App& analyze, const std::string& name, const std::string& help,
                 void (*analysis)(const DistanceArguments&)) {
  CLI::App* command = analyze.add_subcommand(name, help);
  auto a = std::make_shared<DistanceArguments>();
  a->add(*command, name);
  command->add_option("--learner", a->learners, "fast, slow, ... (repeatable; default: all)")
      ->allow_extra_args(false);
  command->callback([a, analysis] { analysis(*a); });
}

}  // namespace

void add_analyze_distance(CLI::App& analyze) {
  add_command(analyze, "distance", "distance and cosine of checkpoints, by layer and module",
              analyze_distance);
}

void add_analyze_subspace(CLI::App& analyze) {
  add_command(analyze, "subspace",
              "principal angles between what successive updates read and write", analyze_subspace);
}

}  // namespace ilora
