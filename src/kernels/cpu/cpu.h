// Inside the fast CPU table: what its files share. Nothing outside src/kernels/cpu/ and its tests
// includes this.
//
// gemm_onednn.cpp holds the matrix products, the other files Highway code that is compiled once per
// instruction set and chosen at run time, once per call of an operation. table.cpp puts the table
// together.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "kernels/kernels.h"
#include "tensor/tensor.h"

namespace ilora::cpu {

// Applies the environment variable ILORA_TARGET (AVX3, AVX2, ... : at most that instruction set) to
// Highway and oneDNN, once, before either is used. Throws Error(kUsage) for a name that is not
// known.
void limit_targets();

// oneDNN's instruction sets, for the file that knows Highway's: gemm_onednn.cpp alone knows oneDNN.
enum class OneDnnIsa { kSse41, kAvx2, kAll };
bool cap_onednn(OneDnnIsa isa);  // false: too late, oneDNN was in use already
struct OneDnnOffer {
  bool avx512_core = false, amx = false;  // on this CPU, under the cap
};
OneDnnOffer onednn_offer();

// Memory of the calling thread that only grows, 64-byte aligned; a slot is overwritten by the next
// call that asks for the same one. Bounded by the longest sequence (attention) or by constants
// (gemm).
enum class Slot {
  kGemmA,
  kGemmB,
  kGemmC,
  kGemmRow,
  kGemmColumn,
  kOneDnn,
  kAttention,
  kByteRows,
  kPartials,
  kCount
};
void* scratch(Slot slot, size_t bytes);
inline float* scratch_floats(Slot slot, size_t count) {
  return static_cast<float*>(scratch(slot, count * sizeof(float)));
}

// Elements per chunk of a parallel loop over rows or over a vector. Constants: no result depends on
// the thread count.
constexpr int64_t kChunkElements = 16384;
constexpr int64_t kVectorChunk = 65536;
inline int64_t rows_per_chunk(int64_t width) {
  return width >= kChunkElements ? 1 : kChunkElements / (width > 0 ? width : 1);
}

// How a product of bf16 operands is computed: by oneDNN's bf16 code (native or emulated), or by
// expanding blocks to f32 first. Both accumulate in f32. kAuto expands where the CPU has no bf16
// instructions: oneDNN's emulation is about three times slower than its f32 code, and on AVX2 it
// has none.
enum class Bf16Route { kAuto, kOneDnn, kExpand };
void gemm_with(Bf16Route route, Tensor c, Tensor a, Tensor b, float alpha, float beta);
// oneDNN's name of the code that a product runs, such as "brg:avx512_core", and primitives kept now
// (for tests).
std::string gemm_implementation(Tensor c, Tensor a, Tensor b, float alpha, float beta);
size_t gemm_primitives();

// Each file puts the operations it holds into the table.
void install_gemm(Kernels& table, Bf16Products products);
void install_expand(Kernels& table);
void install_stored_product(Kernels& table);
void install_byte_product(Kernels& table);
void install_rows(Kernels& table);
void install_layernorm(Kernels& table);
void install_rope_pairs(Kernels& table);
void install_attention(Kernels& table);
void install_attention_step(Kernels& table);
void install_attention_backward(Kernels& table);
void install_losses(Kernels& table);
void install_vectors(Kernels& table);

// Rows of `columns` elements with row strides in elements; either type to either type.
void convert_rows(void* y, DType y_type, int64_t y_stride, const void* x, DType x_type,
                  int64_t x_stride, int64_t rows, int64_t columns);

}  // namespace ilora::cpu
