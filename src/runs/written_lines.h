// What a checkpoint knows of the files of lines beside it. Each line has a hash of its own, in which lines that are
// gone, or another run's, do not show. Written and read by train/trainer.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runs/run_folder.h"

namespace ilora {

struct WrittenLines {
  int64_t metrics_bytes = 0;  // of metrics.jsonl; what follows is of steps after the checkpoint
  std::string metrics_hash,
      rows_hash;  // of the files then; empty: not known (an earlier version's checkpoint)

  static void visit(auto& keys, auto& self) {
    keys.required("metrics_bytes", self.metrics_bytes);
    keys.value("metrics_hash", self.metrics_hash);
    keys.value("rows_hash", self.rows_hash);
  }
  std::string problem() const { return metrics_bytes < 0 ? "metrics_bytes from 0" : ""; }
};

WrittenLines lines_written(const RunFolder& folder);

// What of them is missing or is another's now, a warning each. `learned`: the tasks that the checkpoint knows as learned;
// rows of later ones were scored after it. Throws what the readers of the files do.
std::vector<std::string> lines_changed(const RunFolder& folder, const WrittenLines& written,
                                       int64_t learned);

}  // namespace ilora
