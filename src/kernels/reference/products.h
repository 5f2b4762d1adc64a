// Matrix products, and stored weights expanded for them.
#pragma once

#include <span>
#include <vector>

#include "base/parallel.h"
#include "kernels/reference/cells.h"
#include "tensor/quant.h"

namespace ilora::reference {

template <class T>
void gemm(Tensor c, Tensor a, Tensor b, float alpha, float beta) {
  const int64_t rows = c.shape[0], columns = c.shape[1], depth = a.shape[1];
  require_shape("gemm", a, {rows, depth});
  require_shape("gemm", b, {depth, columns});
  ILORA_CHECK(a.dtype == b.dtype, "gemm of {} and {}", a.describe(), b.describe());
  const Cells<T> cc(c), ca(a), cb(b);
  parallel_for(rows, 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        Wide<T> sum = 0;
        for (int64_t p = 0; p < depth; ++p) sum += ca.get(i, p) * cb.get(p, j);
        sum *= static_cast<double>(alpha);
        if (beta != 0) sum += static_cast<double>(beta) * cc.get(i, j);
        cc.set(sum, i, j);
      }
    }
  });
}

template <class T>
void expand(Tensor y, Tensor x, std::span<const int32_t> rows) {
  require_expandable(y, x, rows);
  const int64_t width = y.shape[1];
  const Cells<T> cy(y);
  parallel_for(y.shape[0], 64, [&](int64_t begin, int64_t end) {
    std::vector<float> values(static_cast<size_t>(width));
    for (int64_t n = begin; n < end; ++n) {
      const int64_t row = rows.empty() ? n : rows[static_cast<size_t>(n)];
      if (row < 0) {
        std::fill(values.begin(), values.end(), 0.0f);
      } else {
        const Tensor stored = x.rows(row, row + 1);
        expand_elements(values.data(), x.dtype, static_cast<const std::byte*>(stored.data), width);
      }
      for (int64_t d = 0; d < width; ++d) cy.set(values[static_cast<size_t>(d)], n, d);
    }
  });
}

template <class T>
constexpr void install_products(Kernels& table) {
  table.gemm = gemm<T>;
  table.expand = expand<T>;
}

}  // namespace ilora::reference
