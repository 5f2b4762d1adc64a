// What `--profile` shows: the entries of kernels/profile.h with names that a reader of the model
// knows, their share of the time and, for matrix products, of the machine's GEMM rate.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "kernels/profile.h"
#include "model/config.h"

namespace ilora {

// Which products of the model have this shape, such as "gate, up" or "dX of down"; the bare shape
// where none has. `ranks` are the LoRA ranks in use.
std::string gemm_label(const GemmClass& gemm, const ModelConfig& config,
                       const std::vector<int64_t>& ranks);

// {"seconds", "outside_kernels", "gemm_peak_gflops", "operations": [{"name", "shape", "calls",
// "seconds", "share", "gflops", "of_peak", "gbytes"}]}, the longest first. `seconds` is the wall
// time since clear_profile().
Json profile_json(const std::vector<ProfileEntry>& entries, double seconds, double peak_gflops,
                  const ModelConfig& config, const std::vector<int64_t>& ranks);
std::string profile_text(const Json& profile);

}  // namespace ilora
