#include "continual/block_merge.h"

#include <array>

#include "continual/importance.h"
#include "continual/memory.h"

namespace ilora {
namespace {

constexpr uint64_t kRows = 7;  // of Stream::kMemory; memory.cpp names the others

// A block's two factors inside a flat vector, each (n).
std::array<Tensor, 2> factors(Tensor flat, const LoraBlock& b) {
  return {flat.rows(b.offset_a, b.offset_a + b.rank * b.in),
          flat.rows(b.offset_bt, b.offset_bt + b.rank * b.out)};
}

// tr F of each block.
std::vector<double> block_traces(const AdapterLayout& layout, Tensor fisher) {
  std::vector<double> traces;
  for (const LoraBlock& block : layout.blocks()) {
    double sum = 0;
    for (const Tensor& part : factors(fisher, block)) {
      const float* f = part.ptr<float>();
      for (int64_t i = 0; i < part.size(); ++i) sum += static_cast<double>(f[i]);
    }
    traces.push_back(sum);
  }
  return traces;
}

}  // namespace

std::vector<double> BlockMerge::kept(const std::vector<double>& before,
                                     const std::vector<double>& now, int64_t tasks) {
  const double equal = 1.0 - 1.0 / static_cast<double>(tasks);
  std::vector<double> shares;
  for (size_t b = 0; b < now.size(); ++b) {
    const double old = before.empty() ? 0.0 : before[b], all = old + now[b];
    shares.push_back(0.5 * ((all > 0 ? old / all : equal) + equal));
  }
  return shares;
}

double BlockMerge::merge(Run& run, Adapter& into, int64_t rows) {
  const AdapterLayout& layout = into.layout();
  const Random random(run.seed, Stream::kMemory,
                      hash_combine(kRows, static_cast<uint64_t>(run.position.task)));
  const Buffer fisher(DType::kF32, {layout.size()});
  add_fisher(run, sample_rows(run.task_rows, rows, random), fisher.view());
  const std::vector<double> now = block_traces(layout, fisher.view());
  const std::vector<double> shares = kept(traces_, now, run.position.task + 1);
  double mean = 0;
  for (size_t b = 0; b < shares.size(); ++b) {
    const auto slow = factors(into.values(), layout.blocks()[b]);
    const auto fast = factors(run.fast().values(), layout.blocks()[b]);
    for (size_t i = 0; i < slow.size(); ++i) run.kernels().interpolate(slow[i], fast[i], shares[b]);
    mean += shares[b] / static_cast<double>(shares.size());
  }
  traces_.resize(now.size());
  for (size_t b = 0; b < now.size(); ++b) traces_[b] += now[b];
  return mean;
}

}  // namespace ilora
