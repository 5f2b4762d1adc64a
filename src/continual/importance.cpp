#include "continual/importance.h"

#include "base/parallel.h"

namespace ilora {
namespace {

constexpr int64_t kChunk = 16384;

}  // namespace

void add_fisher(Run& run, std::span<const Row* const> rows, Tensor fisher) {
  const Comm& comm = run.comm();
  const auto share = static_cast<float>(1.0 / comm.sum(static_cast<double>(rows.size())));
  if (comm.rank() != 0) run.kernels().fill(fisher, 0.0);  // what stands there is summed once
  float* sum = fisher.ptr<float>();
  run.per_sequence_gradients(rows, [&](const Row&, Tensor gradient) {
    const float* g = gradient.ptr<float>();
    parallel_for(fisher.size(), kChunk, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) sum[i] += share * (g[i] * g[i]);
    });
  });
  comm.sum(fisher);
}

double quadratic_penalty(Tensor gradient, Tensor theta, const Anchor& anchor, double weight) {
  float* g = gradient.ptr<float>();
  const float *x = theta.ptr<float>(), *x0 = anchor.values.ptr<float>(),
              *f = anchor.importance.ptr<float>();
  const auto w = static_cast<float>(weight);
  const int64_t size = theta.size();
  std::vector<double> partial(static_cast<size_t>((size + kChunk - 1) / kChunk));
  parallel_for(size, kChunk, [&](int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t i = begin; i < end; ++i) {
      const float d = x[i] - x0[i], pull = f[i] * d;
      g[i] += w * pull;
      sum += static_cast<double>(pull) * static_cast<double>(d);
    }
    partial[static_cast<size_t>(begin / kChunk)] = sum;
  });
  double total = 0;  // in a fixed order
  for (const double sum : partial) total += sum;
  return 0.5 * total;
}

}  // namespace ilora
