// The stored types of few bits: ggml's K types of two and three bits, those of four bits that stand for
// values of a table, and the ternary ones. One reader of 32 elements, which expansion (tensor/quant.h)
// and products of integers (tensor/quant_integers.h) share.
//
// Blocks as ggml defines them (ggml-common.h, ggml-quants.c), fields in this order; d and m are halves:
//   Q2_K,   84 bytes: 16 bytes of s (low nibble) and t (high), 64 bytes of two bits q, d, m
//                                                               x[i] = (d*s)*q[i] - m*t
//   Q3_K,  110 bytes: 32 bytes of third bits, 64 bytes of two bits, 12 bytes of s, d
//                                                               x[i] = (d*(s - 32))*(q[i] - 4)
//   IQ4_NL, 18 bytes: d, 16 bytes of nibbles                    x[i] = d*v[q[i]]
//   IQ4_XS,136 bytes: d, 2 bytes of high bits of s, 4 of low nibbles, 128 bytes of nibbles
//                                                               x[i] = (d*(s - 32))*v[q[i]]
//   TQ1_0,  54 bytes: 48 bytes of five digits to the base 3, 4 of four, d    x[i] = d*(q[i] - 1)
//   TQ2_0,  66 bytes: 64 bytes of two bits, d                                x[i] = d*(q[i] - 1)
// Groups with an s (and t) have 16 elements in Q2_K and Q3_K, 32 in IQ4_XS. A byte of two-bit elements
// holds one of each of four neighbouring runs of 32; third bits hold one of each of eight. v is a table
// of 16 values (quant_few_bits.cpp).
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/quant_integers.h"

namespace ilora {

// Elements [32 group, 32 group + 32) of one block at `in`, which needs no alignment. `type` is one of
// those above.
void read_few_bits(IntegerBlock& out, DType type, const std::byte* in, int64_t group);

// `blocks` blocks of the type at `in` as floats.
void expand_few_bits(float* out, DType type, const std::byte* in, int64_t blocks);
template <DType kType>
void expand_few_bits(float* out, const std::byte* in, int64_t blocks) {
  expand_few_bits(out, kType, in, blocks);
}

}  // namespace ilora
