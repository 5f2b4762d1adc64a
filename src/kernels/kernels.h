// READ FIRST. The one table of operations that the model is written against.
//
// Every implementation (the plain reference, the vectorised CPU code) fills one `Kernels`;
// CheckedKernels (check.h) runs two and compares, ProfiledKernels (profile.h) times one. A function
// takes its outputs first, then its inputs, then scalars. operations.h lists the operations with
// what is said of each outside its contract; a table that needs a context carries it (op.h).
//
// Two element types matter in a table:
//   T  the state type: residual stream, norms, softmax statistics, losses, gradients
//      (F32; F64 and C128 in tests)
//   G  the type of GEMM operands (T itself, or BF16)
// "T|G" means that either is accepted; arguments named together there (gate, up / q, k, v / dgate,
// dup) are of one type, others are chosen apart. Unless a contract says otherwise, matrices are
// contiguous in their last dimension but may have a larger row stride ((N,H,Dh) is a matrix of N
// rows of H*Dh), vectors such as rstd, loss, w are contiguous, outputs do not alias inputs, and `=`
// overwrites while `+=` accumulates. Reductions have a fixed order: the same table gives the same
// bits whatever the thread count.
//
// Letters: N packed rows, D model width, H query heads, K key/value heads (H a multiple of K), Dh
// head width, F feed-forward width, V vocabulary, R rank.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include "kernels/byte_matrix.h"
#include "kernels/op.h"
#include "tensor/tensor.h"

namespace ilora {

// One sequence of an attention call: queries [query_begin, +query_len) of q attend keys [key_begin,
// +key_len) of k and v. The queries are the last query_len positions of the key range: query i sees
// keys 0 .. key_len-query_len+i. Training and prefill have query_len == key_len; decoding has
// query_len 1 and keys in a cache. Before all of these every query sees keys [shared_begin,
// +shared_len): a beginning that several sequences share (forward alone).
struct AttentionSpan {
  int64_t query_begin = 0;
  int64_t query_len = 0;
  int64_t key_begin = 0;
  int64_t key_len = 0;
  int64_t shared_begin = 0;
  int64_t shared_len = 0;
};

// The sequences of an attention call, and what holds in all of them. A list of spans alone is one.
struct AttentionSpans {
  std::span<const AttentionSpan> spans;
  // A query sees the last so many positions, its own included; 0: all before it. Positions count
  // through the shared beginning.
  int64_t window = 0;
  // Scores s, scaled, become soft_cap * tanh(s / soft_cap); 0: they stay as they are.
  double soft_cap = 0;

  constexpr AttentionSpans() = default;
  template <std::convertible_to<std::span<const AttentionSpan>> List>
  // NOLINTNEXTLINE(google-explicit-constructor): a list of spans stands for itself
  constexpr AttentionSpans(const List& list, int64_t window_ = 0, double soft_cap_ = 0)
      : spans(list), window(window_), soft_cap(soft_cap_) {}

  bool plain() const { return window == 0 && soft_cap == 0; }
};

// AdamW with decoupled weight decay (Loshchilov and Hutter, 2019), step counted from 1; the
// moments' bias is corrected as in PyTorch.
struct AdamWStep {
  double learning_rate = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  int64_t step = 1;
};

struct Kernels {
  const char* name = "";
  DType state = DType::kF32;  // T

  // ---- matrix products -----------------------------------------------------------------
  // c (M,N) = alpha * a (M,K) * b (K,N) + beta * c. a and b have one type, T or G; c is T, or G
  // where a and b are. a and b may be transposed views (one of the two strides is 1); c's last
  // stride is 1. beta is 0 or 1; with 0, c's old values are not read. A sum is rounded to c's type
  // once.
  Op<void(Tensor c, Tensor a, Tensor b, float alpha, float beta)> gemm;

  // ---- stored weights ------------------------------------------------------------------
  // y (N,C) T|G = rows `rows` (N of them; empty: the first N in order) of x (Nx,C), contiguous and
  // stored in a type that tensor/quant.h knows (blocks along C; no alignment is needed). Expanded
  // to float32 as it says there and then rounded to y's type. A negative row gives zeros.
  Op<void(Tensor y, Tensor x, std::span<const int32_t> rows)> expand;
  // c (N,M) T|G = alpha * x (N,K) T|G * transpose of rows `rows` (M of them, none negative; empty:
  // the first M in order) of w (Mw,K) + beta * c. w is contiguous and of a type that
  // tensor/quant_integers.h reads (no alignment is needed). Each row of x is rounded to bytes in
  // blocks of 32 as kernels/byte_block.h says: the products within a block are then exact, and what
  // the blocks give is added in T. beta is 0 or 1. For few rows: w is read once for 16 of them. A
  // row of c depends on its row of x alone, to the bit.
  Op<void(Tensor c, Tensor x, Tensor w, std::span<const int32_t> rows, float alpha, float beta)>
      stored_product;
  // c (N,M) T|G = alpha * x (N,K) T|G * transpose of w (M,K) + beta * c. Each row of x is rounded to
  // bytes in blocks of 64 as kernels/byte_block.h says: the products within a block are then exact,
  // and what the blocks give is added in T. beta is 0 or 1. A row of c depends on its row of x
  // alone, to the bit.
  Op<void(Tensor c, Tensor x, const ByteMatrix& w, float alpha, float beta)> byte_product;

  // ---- rows ----------------------------------------------------------------------------
  // y (N,D) T = table (V,D) T|G at ids (N); a negative id gives a row of zeros (padding).
  Op<void(Tensor y, Tensor table, std::span<const int32_t> ids)> embed;
  // y (N,D) T|G = x * rstd * w, rstd (N) T = 1/sqrt(mean(x^2) + eps); x (N,D) T, w (D) T. (Zhang
  // and Sennrich 2019)
  Op<void(Tensor y, Tensor rstd, Tensor x, Tensor w, double eps)> rmsnorm;
  // dx (N,D) T += the gradient of rmsnorm; dy (N,D) T. dx may not alias dy.
  Op<void(Tensor dx, Tensor dy, Tensor x, Tensor w, Tensor rstd)> rmsnorm_backward;
  // y (N,D) T|G = (x - mean(x)) * rstd * w + b, rstd (N) T = 1/sqrt(mean((x - mean(x))^2) + eps); x
  // (N,D) T, w and b (D) T; without b (no tensor) none is added. (Ba, Kiros and Hinton 2016)
  Op<void(Tensor y, Tensor rstd, Tensor x, Tensor w, Tensor b, double eps)> layernorm;
  // dx (N,D) T += the gradient of layernorm; dy (N,D) T. dx may not alias dy.
  Op<void(Tensor dx, Tensor dy, Tensor x, Tensor w, Tensor rstd)> layernorm_backward;
  // y (N,D) T += w (D) T, in every row: a bias.
  Op<void(Tensor y, Tensor w)> add_row;
  // y (N,H,Dh) T|G = x (N,H,Dh) T|G rotated by its row's position: the pair (x[i], x[i+Dh/2]) turns
  // by the angle whose cosine and sine are cos/sin (positions,Dh/2) T at that position. inverse
  // turns back: it is the gradient. y may be x itself when the types agree. x and y may be the first
  // Dh columns of wider heads. (Su et al. 2021, Hugging Face's half-split layout)
  Op<void(Tensor y, Tensor x, Tensor cos, Tensor sin, std::span<const int32_t> positions,
          bool inverse)>
      rope;
  // The same where a pair is (x[2i], x[2i+1]), the layout of the paper.
  Op<void(Tensor y, Tensor x, Tensor cos, Tensor sin, std::span<const int32_t> positions,
          bool inverse)>
      rope_pairs;
  // y (N,F) T|G = silu(gate) * up; gate, up (N,F) T|G. (Shazeer 2020)
  Op<void(Tensor y, Tensor gate, Tensor up)> swiglu;
  // dgate, dup (N,F) T|G = gradients; dy (N,F) T. dgate may be gate and dup may be up (same
  // memory).
  Op<void(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up)> swiglu_backward;
  // The same with GELU in place of silu, in the form with tanh (Hendrycks and Gimpel 2016; Shazeer
  // 2020): gelu(g) = g/2 (1 + tanh(sqrt(2/pi) (g + 0.044715 g^3))).
  Op<void(Tensor y, Tensor gate, Tensor up)> geglu;
  Op<void(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up)> geglu_backward;
  // y (N,F) T|G = gelu(x) of that form, without a gate; x (N,F) T|G.
  Op<void(Tensor y, Tensor x)> gelu;
  // dx (N,F) T|G = its gradient; dy (N,F) T. dx may be x (same memory).
  Op<void(Tensor dx, Tensor dy, Tensor x)> gelu_backward;
  // y (N,D) T = cap * tanh(y / cap): a soft cap of logits. cap > 0.
  Op<void(Tensor y, double cap)> soft_cap;
  // dy (N,D) T, the gradient of soft_cap's result y (N,D) T, becomes that of its input.
  Op<void(Tensor dy, Tensor y, double cap)> soft_cap_backward;
  // y (N,D) T|G = x (N,D) T|G * keep / (1-p), keep = dropout_keep(row_keys[n], column, p) (below).
  // p in [0,1). Its gradient is itself. y may be x.
  Op<void(Tensor y, Tensor x, std::span<const uint64_t> row_keys, double p)> dropout;

  // ---- attention -----------------------------------------------------------------------
  // o (N,H,Dh) T|G = softmax(q k^T / sqrt(Dh)) v, causal within each span, never across, with the
  // window and the soft cap that the spans carry; query head h reads key/value head h / (H/K). lse (N,H) T = log-sum-exp of the scaled scores, kept for the
  // backward. q (N,H,Dh), k and v (Nk,K,Dh): one type, T or G. Rows of o that no span covers are
  // left as they are. Scores, softmax and sums are T; where o is a G other than T, the operands of
  // the product with v may be rounded to G.
  Op<void(Tensor o, Tensor lse, Tensor q, Tensor k, Tensor v, AttentionSpans spans)> attention;
  // The same for spans of one query and no shared keys, without window, cap or lse: a token of each
  // of some answers in the making. q, k and v are T. A query's result depends on its keys alone, to
  // the bit.
  Op<void(Tensor o, Tensor q, Tensor k, Tensor v, std::span<const AttentionSpan> spans)>
      attention_step;
  // dq (N,H,Dh), dk, dv (Nk,K,Dh), all T, = gradients for spans with query_len == key_len; do_
  // (N,H,Dh) T. Rows that no span covers are left as they are; no key row lies in two spans. (Dao
  // et al. 2022: P from lse.) Scores and sums are T; where o is a G other than T, the operands of
  // the other products (P, dS, do_, q, k, v) may be rounded to G.
  Op<void(Tensor dq, Tensor dk, Tensor dv, Tensor do_, Tensor q, Tensor k, Tensor v, Tensor o,
          Tensor lse, AttentionSpans spans)>
      attention_backward;

  // ---- losses --------------------------------------------------------------------------
  // loss (N) T = log-sum-exp(logits row) - logits[target]; logits (N,V) T.
  Op<void(Tensor loss, Tensor logits, std::span<const int32_t> targets)> cross_entropy;
  // The same, and then logits are overwritten by their gradient: scale[n] * (softmax -
  // onehot(target)).
  Op<void(Tensor loss, Tensor logits, std::span<const int32_t> targets,
          std::span<const float> scale)>
      cross_entropy_backward;
  // loss (N) T = sum_v p_v (log p_v - log q_v), p = softmax(teacher / temperature), q =
  // softmax(logits / temperature); logits, teacher (N,V) T. A p_v of 0 adds nothing: what a teacher
  // does not know stands in its row as -1e30.
  Op<void(Tensor loss, Tensor logits, Tensor teacher, double temperature)> kl_divergence;
  // The same, and then teacher is overwritten by the gradient of scale[n] * loss[n] with respect to
  // logits: scale[n] / temperature * (q - p). logits stay.
  Op<void(Tensor loss, Tensor logits, Tensor teacher, double temperature,
          std::span<const float> scale)>
      kl_divergence_backward;
  // out (N) T = sum over columns of d^2, d = a - b, or d = min(a - b, 0) when one_sided (only where
  // b is larger).
  Op<void(Tensor out, Tensor a, Tensor b, bool one_sided)> row_squared_distance;
  // da (N,D) T += scale[n] * d with the d above (half the gradient of scale[n] * sum d^2). scale
  // (N) T.
  Op<void(Tensor da, Tensor a, Tensor b, Tensor scale, bool one_sided)> row_distance_backward;

  // ---- vectors (any shape, contiguous; both operands alike) ----------------------------
  Op<void(Tensor y, Tensor x)> convert;              // y = x, rounding to nearest even; T|G to T|G
  Op<void(Tensor y, Tensor x)> add;                  // y T += x T|G
  Op<void(Tensor y, double value)> fill;             // y T|G = value
  Op<void(Tensor y, double factor)> scale;           // y T *= factor
  Op<void(Tensor y, double factor, Tensor x)> axpy;  // y T += factor * x T
  // slow = lambda * slow + (1 - lambda) * fast, in T; lambda 1 leaves slow's bits, lambda 0 copies
  // fast's.
  Op<void(Tensor slow, Tensor fast, double lambda)> interpolate;
  Op<double(Tensor x, Tensor y)> dot;  // accumulated in double; for C128 the real part
  Op<double(Tensor x, Tensor y)> squared_distance;
  // theta, m, v (n) T updated with gradient g (n) T.
  Op<void(Tensor theta, Tensor m, Tensor v, Tensor g, const AdamWStep& step)> adamw;
};

// Whether a dropout column is kept: the top 24 bits of hash_combine(row_key, column)
// (base/random.h), as an integer, are at least ceil(p * 2^24). All tables share it, so that masks
// depend on no batch index, thread or instruction set; it is integer arithmetic alone, for vectors
// of 64-bit lanes. dropout_threshold(p) is ceil(p * 2^24), p in [0,1).
uint32_t dropout_threshold(double p);
bool dropout_keep(uint64_t row_key, int64_t column, double p);

// The tables. `reference` exists for F32, F64 and C128, with G = T or BF16 operands accepted when T
// is F32.
const Kernels& reference_kernels(DType state);
// How a product of bf16 operands is computed. Both accumulate in f32; bits differ.
enum class Bf16Products : uint8_t {
  kNative,    // by the CPU's bf16 instructions; where it has none, as kExpanded
  kExpanded,  // operands are expanded to f32, block by block
};
// The fastest table of this CPU (Highway with run-time dispatch, oneDNN for GEMM); T = F32, G = F32
// or BF16.
const Kernels& cpu_kernels(Bf16Products products = Bf16Products::kNative);

// What this CPU offers.
struct CpuFeatures {
  const char* target = "";     // the Highway target in use, such as "AVX3"
  bool bf16_native = false;    // avx512_bf16 or AMX: bf16 GEMM pays
  bool bf16_possible = false;  // oneDNN can run bf16 GEMM at all (AVX-512, emulated or native)
  bool byte_products = false;  // avx512_vnni: products of bytes pay
};
CpuFeatures cpu_features();

}  // namespace ilora
