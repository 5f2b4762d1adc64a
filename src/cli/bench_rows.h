// What the benchmarks share: rows to work on, made up or from a file, and repetitions that a
// comparison with another program can pace. Called by bench.cpp, bench_answers, bench_methods.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "continual/run.h"

namespace CLI {
class App;
}

namespace ilora {

void add_bench_answers(CLI::App* bench);  // the subcommands eval and generate
void add_bench_methods(CLI::App* bench);  // the subcommand methods

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

struct Pacing {
  int warm_up = 2, repeat = 5;
  // Waits for a line on standard input before each repetition, and answers it with the seconds on
  // standard output; "ready" first. So that two programs can take turns on one machine.
  bool paced = false;
};
// Does `work` so often and tells the seconds of each repetition behind the warm-up, at whose end
// `warm` is called.
std::vector<double> repeat_timed(
    const Pacing& pacing, const std::function<void()>& work,
    const std::function<void()>& warm = [] {});

// Runs a pass once and writes the gradient of the fast learner as a PEFT folder: its tensors'
// names, the gradient's values.
PassReport dump_gradient(Run& run, const Pass& pass, const std::filesystem::path& folder);

}  // namespace ilora
