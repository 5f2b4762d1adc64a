#include "runs/written_lines.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/hash.h"
#include "runs/metrics.h"
#include "runs/rows.h"
#include "runs/sealed_files.h"

namespace ilora {
namespace {

// Of its first `bytes`; of a file that is not there that of an empty one.
std::string hash_of(const std::filesystem::path& file, size_t bytes = std::string::npos) {
  const std::string text = std::filesystem::exists(file) ? read_file(file) : "";
  return hash_digits(hash_text(std::string_view(text).substr(0, bytes)));
}

}  // namespace

WrittenLines lines_written(const RunFolder& folder) {
  const int64_t bytes = metrics_bytes(folder);
  return {bytes, hash_of(folder.path(kMetricsFile), static_cast<size_t>(bytes)),
          hash_of(folder.path(ScoredRows::kFile))};
}

std::vector<std::string> lines_changed(const RunFolder& folder, const WrittenLines& written,
                                       int64_t learned) {
  std::vector<std::string> warnings;
  const std::filesystem::path log = folder.path(kMetricsFile),
                              rows = folder.path(ScoredRows::kFile);
  if (metrics_bytes(folder) < written.metrics_bytes) {
    warnings.push_back(
        fmt::format("{} has {} of the {} bytes that the checkpoint counts: steps are missing in it",
                    log.string(), metrics_bytes(folder), written.metrics_bytes));
  } else if (!written.metrics_hash.empty() &&
             hash_of(log, static_cast<size_t>(written.metrics_bytes)) != written.metrics_hash) {
    warnings.push_back(fmt::format(
        "{} is not as the checkpoint knows it: steps are changed in it, or are another run's",
        log.string()));
  }
  const auto later = [&](const ScoredRows& line) { return line.after > learned; };
  if (!written.rows_hash.empty() && hash_of(rows) != written.rows_hash &&
      std::ranges::none_of(read_run_lines<ScoredRows>(folder), later)) {
    warnings.push_back(fmt::format(
        "{} is not as the checkpoint knows it: scored rows are missing, or are another run's",
        rows.string()));
  }
  return warnings;
}

}  // namespace ilora
