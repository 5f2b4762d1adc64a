// Products of a few rows with stored weights, read as the file holds them. Contract: kernels.h;
// blocks: tensor/quant.h, kernels/byte_block.h.
//
// Panels of 16 stored rows are dealt out to threads. Each panel is multiplied by avx512_vnni
// (stored_vnni.cpp) where the CPU has it, else by the code here: integers as floats, whose products
// and sums within a block are exact, too.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/stored_product.cpp"  // NOLINT
#include <hwy/foreach_target.h>
// foreach_target.h first
#include <hwy/highway.h>

#include "base/parallel.h"
#include "kernels/byte_block.h"
#include "kernels/cpu/byte_rows-inl.h"
#include "kernels/cpu/stored_panel.h"
#include "tensor/quant.h"
#include "tensor/quant_integers.h"

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {

// One block of 32, as to_byte_block() rounds it; values are the integers as floats.
HWY_INLINE void round_block(const ByteRows& out, int64_t row, int64_t block, const float* x,
                            float* values) {
  const DI di;
  const hn::Rebind<int8_t, DF> bytes;
  const int64_t at = row * (out.columns / kQuantBlock) + block, step = lanes();
  const BlockScale of = scale_of_block(x, kQuantBlock);
  const VF inverse = hn::Set(DF(), of.inverse);
  int8_t* q = out.q + row * out.columns + block * kQuantBlock;
  int32_t* halves = out.halves + 2 * at;
  for (int64_t h = 0; h < 2; ++h) {
    auto sum = hn::Zero(di);
    for (int64_t i = h * kScaleGroup; i < (h + 1) * kScaleGroup; i += step) {
      auto n = hn::NearestInt(hn::Mul(hn::LoadU(DF(), x + i), inverse));
      if (!of.finite) n = hn::Zero(di);
      sum = hn::Add(sum, n);
      hn::StoreU(hn::DemoteTo(bytes, n), bytes, q + i);
      hn::StoreU(hn::ConvertTo(DF(), n), DF(), values + i);
    }
    halves[h] = hn::GetLane(hn::SumOfLanes(di, sum));
  }
  out.scale[at] = of.scale;
  out.sum[at] = of.scale * static_cast<float>(halves[0] + halves[1]);
}

void round_rows(const ByteRows& out, Tensor x) {
  HWY_ALIGN float buffer[kQuantBlock], unused[kQuantBlock];
  for (int64_t n = 0; n < out.rows; ++n) {
    const Row row(x, n * x.stride[0]);
    for (int64_t b = 0; b < out.columns / kQuantBlock; ++b) {
      const int64_t column = b * kQuantBlock;
      float* values = out.values != nullptr ? out.values + n * out.columns + column : unused;
      round_block(out, n, b, row.read(column, kQuantBlock, buffer), values);
    }
  }
}

// ---- a panel without byte products
// ----------------------------------------------------------------------------------------------

// A block's integers as floats, its scales and its minimum.
struct FloatBlock {
  HWY_ALIGN float q[kQuantBlock];
  float scale[2], minimum[2];
};

// The nibbles of a block of 32, low ones first, less `middle`.
HWY_INLINE void float_nibbles(float* q, const uint8_t* in, int32_t middle) {
  const DI di;
  const hn::Rebind<uint8_t, DF> bytes;
  constexpr int64_t kHalf = kQuantBlock / 2;
  for (int64_t i = 0; i < kHalf; i += lanes()) {
    const auto pair = hn::PromoteTo(di, hn::LoadU(bytes, in + i));
    const auto low = hn::Sub(hn::And(pair, hn::Set(di, 15)), hn::Set(di, middle));
    const auto high = hn::Sub(hn::ShiftRight<4>(pair), hn::Set(di, middle));
    hn::StoreU(hn::ConvertTo(DF(), low), DF(), q + i);
    hn::StoreU(hn::ConvertTo(DF(), high), DF(), q + kHalf + i);
  }
}

HWY_INLINE void read_floats(FloatBlock& out, DType type, const uint8_t* row, int64_t block) {
  const bool minimum = type == DType::kQ4_1;
  if (minimum || type == DType::kQ4_0) {
    const int64_t header = minimum ? 4 : 2;
    const uint8_t* in = row + block * (header + kQuantBlock / 2);
    out.scale[0] = out.scale[1] = read_half(in);
    out.minimum[0] = out.minimum[1] = minimum ? read_half(in + 2) : 0.0f;
    float_nibbles(out.q, in + header, minimum ? 0 : 8);
    return;
  }
  IntegerBlock integers;
  read_integers(integers, type, reinterpret_cast<const std::byte*>(row), block);
  for (int64_t i = 0; i < kQuantBlock; i += lanes()) {
    const auto q = hn::PromoteTo(DI(), hn::LoadU(hn::Rebind<int8_t, DF>(), integers.q + i));
    hn::Store(hn::ConvertTo(DF(), q), DF(), out.q + i);
  }
  for (int64_t h = 0; h < 2; ++h) {
    out.scale[h] = integers.scale[h];
    out.minimum[h] = integers.minimum[h];
  }
}

// One stored row against some rows of x.
template <int kRows>
HWY_INLINE void multiply_stored_row(float* out, DType type, const uint8_t* stored,
                                    const ByteRows& x, int64_t first) {
  const DF d;
  const int64_t blocks = x.columns / kQuantBlock, step = lanes();
  VF total[kRows];
  float below[kRows];
  HWY_UNROLL(4)
  for (int i = 0; i < kRows; ++i) {
    total[i] = hn::Zero(d);
    below[i] = 0;
  }
  for (int64_t b = 0; b < blocks; ++b) {
    FloatBlock w;
    read_floats(w, type, stored, b);
    HWY_UNROLL(4)
    for (int i = 0; i < kRows; ++i) {
      const float* q = x.values + (first + i) * x.columns + b * kQuantBlock;
      const float scale = x.scale[(first + i) * blocks + b];
      for (int64_t h = 0; h < 2; ++h) {
        VF dot = hn::Zero(d);
        for (int64_t j = h * kScaleGroup; j < (h + 1) * kScaleGroup; j += step)
          dot = hn::MulAdd(hn::Load(d, w.q + j), hn::LoadU(d, q + j), dot);
        total[i] = hn::MulAdd(hn::Set(d, w.scale[h] * scale), dot, total[i]);
      }
      const int64_t at = (first + i) * blocks + b;
      if (type != DType::kQ2_K) {
        below[i] += w.minimum[0] * x.sum[at];
      } else {  // each half has its own
        for (int64_t h = 0; h < 2; ++h)
          below[i] += w.minimum[h] * (scale * static_cast<float>(x.halves[2 * at + h]));
      }
    }
  }
  HWY_UNROLL(4)
  for (int i = 0; i < kRows; ++i) out[(first + i) * kPanel] = sum(total[i]) + below[i];
}

void float_panel(float* out, DType type, const uint8_t* const* rows, const ByteRows& x) {
  for (int64_t j = 0; j < kPanel; ++j) {
    int64_t first = 0;
    for (; x.rows - first >= 4; first += 4)
      multiply_stored_row<4>(out + j, type, rows[j], x, first);
    for (; x.rows - first >= 1; ++first) multiply_stored_row<1>(out + j, type, rows[j], x, first);
  }
}

// ---- the product
// ----------------------------------------------------------------------------------------------

// Weights that a thread takes at a time: as much as hides what handing out costs.
constexpr int64_t kWeightsPerChunk = 65536;

void stored_product(Tensor c, Tensor x, Tensor w, const int32_t* rows, float alpha, float beta) {
  const int64_t n = x.shape[0], columns = x.shape[1], outputs = c.shape[1];
  const PanelProduct vnni = vnni_panel();
  ByteRows bytes;
  bytes.rows = n;
  bytes.columns = columns;
  // From the largest elements to the smallest, each part aligned as its elements are.
  const int64_t blocks = n * (columns / kQuantBlock), values = vnni == nullptr ? n * columns : 0;
  float* memory =
      scratch_floats(Slot::kByteRows, static_cast<size_t>(values + 4 * blocks + n * columns / 4));
  bytes.values = vnni == nullptr ? memory : nullptr;
  bytes.scale = memory + values;
  bytes.sum = bytes.scale + blocks;
  bytes.halves = reinterpret_cast<int32_t*>(bytes.sum + blocks);
  bytes.q = reinterpret_cast<int8_t*>(bytes.halves + 2 * blocks);
  round_rows(bytes, x);

  const int64_t row_bytes = dtype_bytes(w.dtype, columns);
  const auto* stored = static_cast<const uint8_t*>(w.data);
  const int64_t chunk = HWY_MAX(int64_t{1}, kWeightsPerChunk / (kPanel * columns)) * kPanel;
  parallel_for(outputs, chunk, [&](int64_t begin, int64_t end) HWY_ATTR {
    float* sums = scratch_floats(Slot::kPartials, static_cast<size_t>(n * kPanel));
    for (int64_t first = begin; first < end; first += kPanel) {
      const int64_t count = HWY_MIN(kPanel, end - first);
      const uint8_t* panel[kPanel];
      for (int64_t i = 0; i < kPanel; ++i) {  // behind the last row: the last once more
        const int64_t output = first + HWY_MIN(i, count - 1);
        panel[i] = stored + (rows == nullptr ? output : rows[output]) * row_bytes;
      }
      (vnni != nullptr ? vnni : float_panel)(sums, w.dtype, panel, bytes);
      for (int64_t r = 0; r < n; ++r)
        finish_row(c, r, first, count, sums + r * kPanel, alpha, beta);
    }
  });
}

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ilora::cpu {

HWY_EXPORT(stored_product);

namespace {

void stored_product(Tensor c, Tensor x, Tensor w, std::span<const int32_t> rows, float alpha,
                    float beta) {
  require_stored_product(c, x, w, rows);
  ILORA_CHECK(beta == 0.0f || beta == 1.0f, "stored_product: beta {}", beta);
  if (x.shape[0] == 0) return;
  HWY_DYNAMIC_DISPATCH(stored_product)
  (c, x, w, rows.empty() ? nullptr : rows.data(), alpha, beta);
}

}  // namespace

void install_stored_product(Kernels& table) {
  table.stored_product = stored_product;
}

}  // namespace ilora::cpu
#endif  // HWY_ONCE
