// Matrix products, also with stored weights, and stored weights expanded for them.
#pragma once

#include <span>
#include <vector>

#include "base/parallel.h"
#include "kernels/byte_block.h"
#include "kernels/reference/cells.h"
#include "tensor/quant.h"
#include "tensor/quant_integers.h"

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

// One row's blocks of bytes, of the elements rounded to float32.
template <class T>
std::vector<ByteBlock> byte_row(const Cells<T>& x, int64_t n, int64_t width) {
  std::vector<ByteBlock> blocks;
  float values[kQuantBlock];
  for (int64_t d = 0; d < width; d += kQuantBlock) {
    for (int64_t i = 0; i < kQuantBlock; ++i)
      values[i] = static_cast<float>(real_part(x.get(n, d + i)));
    blocks.push_back(to_byte_block(values));
  }
  return blocks;
}

inline double block_product(const ByteBlock& x, const IntegerBlock& w) {
  double sum = 0;
  for (size_t h = 0; h < 2; ++h) {
    int32_t dot = 0, all = 0;
    for (size_t i = h * kScaleGroup; i < (h + 1) * kScaleGroup; ++i) {
      dot += x.q[i] * w.q[i];
      all += x.q[i];
    }
    sum += static_cast<double>(w.scale[h]) * dot + static_cast<double>(w.minimum[h]) * all;
  }
  return static_cast<double>(x.scale) * sum;
}

template <class T>
void stored_product(Tensor c, Tensor x, Tensor w, std::span<const int32_t> rows, float alpha,
                    float beta) {
  require_stored_product(c, x, w, rows);
  const Cells<T> cc(c), cx(x);
  parallel_for(c.shape[0], 1, [&](int64_t n, int64_t) {
    const std::vector<ByteBlock> blocks = byte_row(cx, n, x.shape[1]);
    for (int64_t m = 0; m < c.shape[1]; ++m) {
      const int64_t row = rows.empty() ? m : rows[static_cast<size_t>(m)];
      const auto* stored = static_cast<const std::byte*>(w.rows(row, row + 1).data);
      double sum = 0;
      for (size_t b = 0; b < blocks.size(); ++b) {
        IntegerBlock integers;
        read_integers(integers, w.dtype, stored, static_cast<int64_t>(b));
        sum += block_product(blocks[b], integers);
      }
      Wide<T> result = static_cast<double>(alpha) * sum;
      if (beta != 0) result += cc.get(n, m);
      cc.set(result, n, m);
    }
  });
}

template <class T>
void byte_product(Tensor c, Tensor x, const ByteMatrix& w, float alpha, float beta) {
  require_byte_product(c, x, w, beta);
  const Cells<T> cc(c), cx(x);
  parallel_for(c.shape[0], 1, [&](int64_t n, int64_t) {
    std::vector<double> sums(static_cast<size_t>(w.panels() * kByteWidth));
    for (int64_t b = 0; b < w.blocks(); ++b) {
      float values[kByteDepth] = {};
      for (int64_t i = 0; i < std::min(kByteDepth, w.depth() - b * kByteDepth); ++i)
        values[i] = static_cast<float>(real_part(cx.get(n, b * kByteDepth + i)));
      const auto run = to_byte_run<kByteDepth>(values);
      for (size_t m = 0; m < sums.size(); ++m) {
        const BytePanel& panel = w.panel(static_cast<int64_t>(m) / kByteWidth, b);
        const size_t output = m % kByteWidth;
        int32_t dot = 0;
        for (size_t i = 0; i < kByteDepth; ++i) dot += run.q[i] * panel.q[i / 4][output][i % 4];
        sums[m] += static_cast<double>(run.scale) * static_cast<double>(panel.scale[output]) * dot;
      }
    }
    for (int64_t m = 0; m < c.shape[1]; ++m) {
      Wide<T> result = static_cast<double>(alpha) * sums[static_cast<size_t>(m)];
      if (beta != 0) result += cc.get(n, m);
      cc.set(result, n, m);
    }
  });
}

template <class T>
constexpr void install_products(Kernels& table) {
  table.gemm = gemm<T>;
  table.expand = expand<T>;
  table.stored_product = stored_product<T>;
  table.byte_product = byte_product<T>;
}

}  // namespace ilora::reference
