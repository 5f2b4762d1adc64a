#include "report/run_data.h"

#include <map>

#include "runs/metrics.h"
#include "runs/schema.h"

namespace ilora::report {
namespace {

RunData read_run(const std::filesystem::path& path) {
  const RunFolder folder(path);
  RunData run{read_run_file<Results>(folder), path, {}, curves_of(read_steps(folder))};
  if (run.method.empty()) run.method = "(no method)";
  run.label = run.method;
  return run;
}

}  // namespace

std::vector<RunData> read_runs(const std::vector<std::filesystem::path>& folders) {
  if (folders.empty())
    throw Error(ErrorKind::kUsage, "[report] expected at least one run folder, got none",
                "Name the folders that `ilora train` wrote.");
  std::vector<RunData> runs;
  runs.reserve(folders.size());
  for (const auto& folder : folders) runs.push_back(read_run(folder));
  // Lengthen the labels of runs that share one, first by the seed, then by the folder.
  const auto lengthen_shared = [&runs](auto&& longer) {
    std::map<std::string, int> count;
    for (const RunData& run : runs) ++count[run.label];
    for (RunData& run : runs)
      if (count[run.label] > 1) run.label = longer(run);
  };
  lengthen_shared([](const RunData& run) {
    return run.seed ? fmt::format("{}, seed {}", run.label, *run.seed) : run.label;
  });
  lengthen_shared([](const RunData& run) {
    return fmt::format("{} ({})", run.label, run.folder.lexically_normal().string());
  });
  return runs;
}

}  // namespace ilora::report
