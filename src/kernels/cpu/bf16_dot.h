// Products of bf16 operands with f32 sums for attention, by the AVX-512 instructions that multiply
// pairs (avx512_bf16). Highway 1.0.3 does not know them.
//
// Operands are made of words: four bytes, typed float, that hold two bf16 values which follow each
// other in the product's depth, the first in the low half. A depth of n values is (n + 1) / 2
// words; an odd last value has a zero beside it.
#pragma once

#include <cstdint>

namespace ilora::cpu {

// A (M,K) with any strides, read element by element; an element is an f32 or a word.
struct Broadcast {
  const float* data;
  int64_t row, column;
};

// Whether this CPU has the instructions, under the cap of ILORA_TARGET. The functions below may
// only be called if so.
bool bf16_dot_native();

// C (rows, columns) f32 = A B, or += with `add`; `depth` in words; columns a multiple of 16.
void multiply_words(bool add, float* c, int64_t ldc, int64_t rows, int64_t columns, Broadcast a,
                    const float* b, int64_t ldb, int64_t depth);

// Rows of f32 rounded to nearest even (subnormal values to zero) into words. Columns a multiple of
// 16.
//  along:  out[i][l] = (x[i][2l], x[i][2l+1])    depth runs along a row
//  across: out[l][j] = (x[2l][j], x[2l+1][j])    depth runs down a column
// out may be x itself where the strides, in floats, are equal.
void round_along(float* out, int64_t out_stride, const float* x, int64_t stride, int64_t rows,
                 int64_t columns);
void round_across(float* out, int64_t out_stride, const float* x, int64_t stride, int64_t rows,
                  int64_t columns);

}  // namespace ilora::cpu
