#include "model/top_rows.h"

#include <algorithm>

#include "model/gemm_rows.h"

namespace ilora {
namespace {

void fill_up(std::vector<int32_t>& rows) {
  rows.resize(static_cast<size_t>(gemm_rows(static_cast<int64_t>(rows.size()))), -1);
}

}  // namespace

void TopRows::choose(std::span<const int32_t> read, const Packed& packed) {
  std::vector<int32_t> sorted(read.begin(), read.end());
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  const auto gradient_end =
      std::lower_bound(sorted.begin(), sorted.end(), static_cast<int32_t>(packed.gradient_rows));
  rows_.assign(sorted.begin(), gradient_end);
  fill_up(rows_);
  gradient_count_ = count();
  rows_.insert(rows_.end(), gradient_end, sorted.end());
  fill_up(rows_);
  const bool none_with_gradient = gradient_count_ == 0 && packed.gradient_rows > 0;
  if (none_with_gradient || 2 * count() > packed.rows) take_all();
}

void TopRows::gather(const Kernels& kernels, Tensor y, Tensor x) const {
  kernels.embed(y, x, std::span(rows_).first(static_cast<size_t>(y.shape[0])));
}

void TopRows::scatter(const Kernels& kernels, Tensor y, Tensor x) const {
  kernels.fill(y, 0.0);
  scatter_add(kernels, y, std::span(rows_).first(static_cast<size_t>(x.shape[0])), x);
}

void scatter_add(const Kernels& kernels, Tensor target, std::span<const int32_t> rows,
                 Tensor source) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < 0) continue;
    const auto to = static_cast<int64_t>(rows[i]), from = static_cast<int64_t>(i);
    kernels.add(target.rows(to, to + 1), source.rows(from, from + 1));
  }
}

}  // namespace ilora
