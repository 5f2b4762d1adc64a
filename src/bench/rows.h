// Rows of tokens that benchmarks work on, made up or from a file.
#pragma once

#include <filesystem>
#include <vector>

#include "model/config.h"
#include "model/row.h"

namespace ilora {

// A step's rows: those of the current task, and those that the memory holds.
struct BenchRows {
  std::vector<Row> current, replayed;
};

// Rows of 256 random tokens, the last 16 labelled; at least one of each kind, half of them
// replayed.
BenchRows made_up_rows(const ModelConfig& config, int64_t tokens);
// `count` rows of `tokens` random tokens each, numbered from `first_id`.
std::vector<Row> made_up_rows(const ModelConfig& config, int64_t count, int64_t tokens,
                              int64_t first_id);
// {"current": [{"tokens": [ids], "prompt_length": n}, ...], "replayed": [...]}. Throws
// Error(kFormat) naming file and row for what is no such row, an id beyond the vocabulary included.
BenchRows read_bench_rows(const std::filesystem::path& path, const ModelConfig& config);

}  // namespace ilora
