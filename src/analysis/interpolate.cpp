#include "analysis/interpolate.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "analysis/factors.h"
#include "base/error.h"
#include "base/parallel.h"

namespace ilora {

void require_same_layout(const Adapter& a, const std::string& name_a, const Adapter& b,
                         const std::string& name_b) {
  const LoraOptions &x = a.options(), &y = b.options();
  const auto blocks = [](const Adapter& adapter) {
    std::vector<std::string> names;
    for (const LoraBlock& block : adapter.layout().blocks()) names.push_back(block.name());
    return names;
  };
  const bool same = x.rank == y.rank && a.scaling() == b.scaling() && blocks(a) == blocks(b) &&
                    x.prompts.rows == y.prompts.rows && x.prompts.keys == y.prompts.keys;
  if (same) return;
  const auto described = [](const LoraOptions& o) {
    if (o.prompts.keys > 0) return fmt::format("a pool of {} soft prompts", o.prompts.rows);
    if (o.prompts.rows > 0) return fmt::format("{} soft prompts", o.prompts.rows);
    return fmt::format("rank {}, alpha {}{}, {}", o.rank, o.alpha, o.rslora ? " (rsLoRA)" : "",
                       fmt::join(o.targets, "+"));
  };
  throw Error(ErrorKind::kData,
              fmt::format("[analyze] expected adapters of one layout, got {} ({}) and {} ({})",
                          described(x), name_a, described(y), name_b),
              x.prompts.rows > 0 && y.prompts.rows > 0
                  ? "Checkpoints of `pp` grow with the tasks: nothing lies between them."
                  : "Train both with the same lora.rank, lora.alpha and lora.targets.");
}

void interpolate_factors(Adapter& out, const Adapter& a, const Adapter& b, double alpha) {
  const auto *x = a.values().ptr<float>(), *y = b.values().ptr<float>();
  auto* z = out.values().ptr<float>();
  for (int64_t i = 0; i < out.layout().size(); ++i)
    z[i] = static_cast<float>((1 - alpha) * static_cast<double>(x[i]) +
                              alpha * static_cast<double>(y[i]));
}

double interpolate_products(Adapter& out, const Adapter& a, const Adapter& b, double alpha) {
  interpolate_factors(out, a, b, alpha);
  if (alpha == 0 || alpha == 1) return 0;
  const double scaling = a.scaling();
  const auto& blocks = a.layout().blocks();
  std::vector<double> dropped(blocks.size());
  parallel_for(static_cast<int64_t>(blocks.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<size_t>(i);
      const LoraBlock& block = blocks[at];
      const Factors sum = weighted_sum(1 - alpha, factors_of(a.values(), block, scaling), alpha,
                                       factors_of(b.values(), block, scaling));
      store_factors(out.values(), block, scaling, truncated(sum, block.rank, &dropped[at]));
    }
  });
  return blocks.empty() ? 0 : *std::max_element(dropped.begin(), dropped.end());
}

}  // namespace ilora
