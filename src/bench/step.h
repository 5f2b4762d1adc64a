// A training step's speed, its share of the machine's GEMM rate, and the gradient that it computes.
//
// It runs a method's own hooks on made-up rows of 256 tokens, the last 16 labelled, or on rows and
// adapters from files; er and ilora replay half of the made-up ones.
#pragma once

#include "base/json_fwd.h"
#include "bench/subject.h"

namespace ilora {

struct StepBench {
  BenchSubject subject;
  std::string method = "seq";
  std::string rows;           // a JSON file (read_bench_rows); empty: made up
  std::string adapter, slow;  // PEFT folders that the learners start from; empty: made up
  int64_t tokens = 2048;      // with gradient, where rows are made up
};

// Steps in turn, and what they took.
Json measure_step(const StepBench& b);
// The first step's loss and its terms; its gradient as a PEFT folder: the tensors' names, the
// gradient's values.
Json dump_step(const StepBench& b, const std::filesystem::path& folder);

}  // namespace ilora
