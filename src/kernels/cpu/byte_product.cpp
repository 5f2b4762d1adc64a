// Products with a matrix of bytes. Contract: kernels.h; bytes: kernels/byte_matrix.h.
//
// Rows are rounded to bytes first; then tiles of rows and outputs are dealt out to threads. A tile is
// multiplied by avx512_vnni (byte_vnni.cpp) where the CPU has it, else by plain code, whose integer
// sums are the same.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/byte_product.cpp"  // NOLINT
#include <hwy/foreach_target.h>
// foreach_target.h first
#include <hwy/highway.h>

#include "base/parallel.h"
#include "kernels/byte_block.h"
#include "kernels/cpu/byte_rows-inl.h"
#include "kernels/cpu/byte_tile.h"

HWY_BEFORE_NAMESPACE();
namespace ilora::cpu::HWY_NAMESPACE {

// One block as to_byte_run() rounds it, each integer plus 128; returns its scale.
HWY_INLINE float round_block(uint8_t* q, const float* x) {
  const DI di;
  const hn::Rebind<uint8_t, DF> bytes;
  const int64_t step = lanes();
  const BlockScale of = scale_of_block(x, kByteDepth);
  const VF inverse = hn::Set(DF(), of.inverse);
  for (int64_t i = 0; i < kByteDepth; i += step) {
    auto n = hn::NearestInt(hn::Mul(hn::LoadU(DF(), x + i), inverse));
    if (!of.finite) n = hn::Zero(di);
    hn::StoreU(hn::DemoteTo(bytes, hn::Add(n, hn::Set(di, 128))), bytes, q + i);
  }
  return of.scale;
}

// A row's blocks; what the last one lacks counts as zero.
void round_row(uint8_t* q, float* scale, const Tensor& x, int64_t n, const VnniCode& vnni) {
  HWY_ALIGN float buffer[kByteDepth];
  const int64_t depth = x.shape[1];
  const Row row(x, n * x.stride[0]);
  const RoundBlock round = row.bf16 ? vnni.round_bf16 : vnni.round_f32;
  for (int64_t first = 0; first < depth; first += kByteDepth) {
    float& block_scale = scale[first / kByteDepth];
    const int64_t count = HWY_MIN(kByteDepth, depth - first);
    if (round != nullptr && count == kByteDepth) {
      block_scale =
          round(q + first, static_cast<const char*>(row.data) + first * (row.bf16 ? 2 : 4));
      continue;
    }
    const float* values = row.read(first, count, buffer);
    if (count < kByteDepth) {
      if (values != buffer) memcpy(buffer, values, static_cast<size_t>(count) * sizeof(float));
      for (int64_t i = count; i < kByteDepth; ++i) buffer[i] = 0.0f;
      values = buffer;
    }
    block_scale = round_block(q + first, values);
  }
}

void plain_tile(float* out, const UnsignedRows& x, const BytePanel* panels, int64_t rows) {
  for (int64_t i = 0; i < rows * kByteWidth; ++i) out[i] = 0.0f;
  for (int64_t b = 0; b < x.blocks; ++b) {
    for (int64_t r = 0; r < rows; ++r) {
      const uint8_t* q = x.q + (r * x.blocks + b) * kByteDepth;
      int32_t sums[kByteWidth];
      for (size_t m = 0; m < kByteWidth; ++m) sums[m] = -128 * panels[b].sum[m];
      for (size_t i = 0; i < kByteDepth / 4; ++i) {
        for (size_t m = 0; m < kByteWidth; ++m) {
          for (size_t j = 0; j < 4; ++j) sums[m] += panels[b].q[i][m][j] * q[4 * i + j];
        }
      }
      const float scale = x.scale[r * x.blocks + b];
      for (int64_t m = 0; m < kByteWidth; m += lanes()) {
        float* at = out + r * kByteWidth + m;
        const VF both = hn::Mul(hn::LoadU(DF(), panels[b].scale.data() + m), hn::Set(DF(), scale));
        const VF sum = hn::ConvertTo(DF(), hn::LoadU(DI(), sums + m));
        hn::StoreU(hn::MulAdd(sum, both, hn::LoadU(DF(), at)), DF(), at);
      }
    }
  }
}

// Rows and panels that a thread takes at a time: the rows' bytes stay in its second cache while
// panels pass by.
constexpr int64_t kRowsPerChunk = 16 * kTileRows, kPanelsPerChunk = 4;

void byte_product(Tensor c, Tensor x, const ByteMatrix& w, float alpha, float beta) {
  const int64_t n = x.shape[0], blocks = w.blocks(), outputs = w.outputs();
  float* scale =
      scratch_floats(Slot::kByteRows, static_cast<size_t>(n * blocks * (1 + kByteDepth / 4)));
  auto* q = reinterpret_cast<uint8_t*>(scale + n * blocks);
  const VnniCode vnni = vnni_code();
  const ByteTile tile = vnni.tile != nullptr ? vnni.tile : plain_tile;
  parallel_for(n, rows_per_chunk(x.shape[1]), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t r = begin; r < end; ++r)
      round_row(q + r * blocks * kByteDepth, scale + r * blocks, x, r, vnni);
  });
  const UnsignedRows bytes{blocks, q, scale};
  const int64_t across = (w.panels() + kPanelsPerChunk - 1) / kPanelsPerChunk;
  const int64_t down = (n + kRowsPerChunk - 1) / kRowsPerChunk;
  parallel_for(across * down, 1, [&](int64_t chunk, int64_t) HWY_ATTR {
    HWY_ALIGN float sums[kTileRows * kByteWidth];
    const int64_t first = chunk / across * kRowsPerChunk, last = HWY_MIN(n, first + kRowsPerChunk);
    const int64_t begin = chunk % across * kPanelsPerChunk;
    for (int64_t p = begin; p < HWY_MIN(w.panels(), begin + kPanelsPerChunk); ++p) {
      const int64_t column = p * kByteWidth, count = HWY_MIN(kByteWidth, outputs - column);
      for (int64_t r = first; r < last; r += kTileRows) {
        const int64_t rows = HWY_MIN(kTileRows, last - r);
        tile(sums, bytes.from(r), &w.panel(p, 0), rows);
        for (int64_t i = 0; i < rows; ++i)
          finish_row(c, r + i, column, count, sums + i * kByteWidth, alpha, beta);
      }
    }
  });
}

}  // namespace ilora::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ilora::cpu {

HWY_EXPORT(byte_product);

namespace {

void byte_product(Tensor c, Tensor x, const ByteMatrix& w, float alpha, float beta) {
  require_byte_product(c, x, w, beta);
  if (x.shape[0] > 0) HWY_DYNAMIC_DISPATCH(byte_product)(c, x, w, alpha, beta);
}

}  // namespace

void install_byte_product(Kernels& table) {
  table.byte_product = byte_product;
}

}  // namespace ilora::cpu
#endif  // HWY_ONCE
