// Every operation of a table, once: what is said of it outside its contract (kernels.h) and its
// code. Check, profile and the comparison of tables go through this list and name no operation of
// their own; a table or a test that lacks one is found by it.
#pragma once

#include <array>
#include <cmath>
#include <initializer_list>
#include <span>
#include <string_view>
#include <tuple>

#include "kernels/cost.h"
#include "kernels/kernels.h"

namespace ilora {

// How far an output may be from the reference's, relative to the output's largest magnitude. 0 asks
// for equal values.
struct Tolerance {
  double f32;          // F32 operands, F32 output: rounding of single precision alone
  double bf16_inputs;  // BF16 operands, F32 output: products of operands are exact, probabilities
                       // may be rounded
  double bf16_output;  // BF16 output: one unit in the last place, 2^-7 of the largest, and the
                       // error before rounding

  // No default: a row must say it.
  constexpr Tolerance(double f32_, double bf16_inputs_, double bf16_output_)
      : f32(f32_), bf16_inputs(bf16_inputs_), bf16_output(bf16_output_) {}
  constexpr double of(DType input, DType output) const {
    if (output == DType::kBF16) return bf16_output;
    return input == DType::kBF16 ? bf16_inputs : f32;
  }
};

// Which of an operation's arguments are outputs, counted from 0.
class Outputs {
 public:
  constexpr Outputs() = default;
  constexpr Outputs(std::initializer_list<unsigned> positions) {
    for (const unsigned p : positions) bits_ |= 1u << p;
  }
  constexpr bool contains(size_t position) const { return ((bits_ >> position) & 1u) != 0; }

 private:
  unsigned bits_ = 0;
};

// Per output, in order, how small its largest element may count as the scale of the tolerance:
// results of cancellation are judged by what was cancelled. A returned number is an output.
using Floors = std::array<double, 3>;

inline double argument_bytes(const Tensor& t) {
  return static_cast<double>(t.bytes());
}
template <class T>
double argument_bytes(const T&) {
  return 0;
}

// By default no floor, and the bytes of all tensors.
template <class... Args>
Floors no_floors(Args...) {
  return {};
}
template <class... Args>
Cost tensor_cost(Args... args) {
  return {{}, 0, (argument_bytes(args) + ...)};
}

// A row of the list: of the member kMember of Kernels.
template <auto kMember>
struct Operation;
template <class R, class... Args, Op<R(Args...)> Kernels::*kMember>
struct Operation<kMember> {
  const char* name;  // as in Kernels
  Tolerance tolerance;
  Outputs outputs = {0};
  Floors (*floors)(Args...) = no_floors<Args...>;
  Cost (*cost)(Args...) = tensor_cost<Args...>;
};

// Of the finite magnitudes.
double largest(const Tensor& t);
double largest(std::span<const float> values);
inline double largest(double value) {
  return std::abs(value);
}

// What rows say that takes more than a line (operations.cpp).
Cost gemm_cost(Tensor c, Tensor a, Tensor b, float alpha, float beta);
Cost stored_rows_cost(Tensor y, Tensor stored, std::span<const int32_t> rows);
Cost stored_product_cost(Tensor c, Tensor x, Tensor w, std::span<const int32_t> rows, float alpha,
                         float beta);
Floors stored_product_floors(Tensor c, Tensor x, Tensor w, std::span<const int32_t> rows,
                             float alpha, float beta);
Cost byte_product_cost(Tensor c, Tensor x, const ByteMatrix& w, float alpha, float beta);
Floors byte_product_floors(Tensor c, Tensor x, const ByteMatrix& w, float alpha, float beta);
Cost attention_cost(Tensor o, Tensor lse, Tensor q, Tensor k, Tensor v, AttentionSpans spans);
Floors attention_floors(Tensor o, Tensor lse, Tensor q, Tensor k, Tensor v, AttentionSpans spans);
Cost attention_step_cost(Tensor o, Tensor q, Tensor k, Tensor v,
                         std::span<const AttentionSpan> spans);
Floors attention_step_floors(Tensor o, Tensor q, Tensor k, Tensor v,
                             std::span<const AttentionSpan> spans);
Cost attention_backward_cost(Tensor dq, Tensor dk, Tensor dv, Tensor do_, Tensor q, Tensor k,
                             Tensor v, Tensor o, Tensor lse, AttentionSpans spans);
Floors attention_backward_floors(Tensor dq, Tensor dk, Tensor dv, Tensor do_, Tensor q, Tensor k,
                                 Tensor v, Tensor o, Tensor lse, AttentionSpans spans);
Floors cross_entropy_backward_floors(Tensor loss, Tensor logits, std::span<const int32_t> targets,
                                     std::span<const float> scale);
Floors kl_divergence_floors(Tensor loss, Tensor logits, Tensor teacher, double temperature);
Floors kl_divergence_backward_floors(Tensor loss, Tensor logits, Tensor teacher, double temperature,
                                     std::span<const float> scale);

// The product of the magnitudes of the arguments at these positions, for every output.
template <size_t... kPositions>
inline constexpr auto product_of = [](auto... args) -> Floors {
  const std::tuple all(args...);
  const double floor = (largest(std::get<kPositions>(all)) * ...);
  return {floor, floor, floor};
};

inline constexpr double kUlp = 0x1p-7;  // of BF16
inline constexpr Tolerance kExact = {0, 0, 0};
inline constexpr Tolerance kElementwise = {1e-6, 1e-6, kUlp};
inline constexpr Tolerance kSums = {1e-5, 1e-5, kUlp};

inline constexpr std::tuple kOperations = {
    Operation<&Kernels::gemm>{.name = "gemm",
                              .tolerance = kSums,
                              .floors = product_of<1, 2, 3>,  // alpha a b
                              .cost = gemm_cost},
    Operation<&Kernels::expand>{.name = "expand", .tolerance = kExact, .cost = stored_rows_cost},
    Operation<&Kernels::stored_product>{.name = "stored_product",
                                        .tolerance = kSums,
                                        .floors = stored_product_floors,
                                        .cost = stored_product_cost},
    Operation<&Kernels::byte_product>{.name = "byte_product",
                                      .tolerance = kSums,
                                      .floors = byte_product_floors,
                                      .cost = byte_product_cost},
    Operation<&Kernels::embed>{.name = "embed", .tolerance = kExact, .cost = stored_rows_cost},
    Operation<&Kernels::rmsnorm>{.name = "rmsnorm", .tolerance = kSums, .outputs = {0, 1}},
    Operation<&Kernels::rmsnorm_backward>{.name = "rmsnorm_backward", .tolerance = kSums},
    Operation<&Kernels::layernorm>{.name = "layernorm",
                                   .tolerance = kSums,
                                   .outputs = {0, 1},
                                   .floors = product_of<3>},  // w: a row of equal elements cancels
    Operation<&Kernels::layernorm_backward>{.name = "layernorm_backward", .tolerance = kSums},
    Operation<&Kernels::add_row>{
        .name = "add_row", .tolerance = kElementwise, .floors = product_of<1>},
    Operation<&Kernels::rope>{.name = "rope", .tolerance = kElementwise, .floors = product_of<1>},
    Operation<&Kernels::rope_pairs>{
        .name = "rope_pairs", .tolerance = kElementwise, .floors = product_of<1>},
    Operation<&Kernels::swiglu>{.name = "swiglu", .tolerance = kSums},
    Operation<&Kernels::swiglu_backward>{.name = "swiglu_backward",
                                         .tolerance = kSums,
                                         .outputs = {0, 1},
                                         .floors = product_of<2, 4>},  // dy up
    Operation<&Kernels::geglu>{.name = "geglu", .tolerance = kSums},
    Operation<&Kernels::geglu_backward>{.name = "geglu_backward",
                                        .tolerance = kSums,
                                        .outputs = {0, 1},
                                        .floors = product_of<2, 4>},  // dy up
    Operation<&Kernels::gelu>{.name = "gelu", .tolerance = kSums},
    Operation<&Kernels::gelu_backward>{
        .name = "gelu_backward", .tolerance = kSums, .floors = product_of<1>},  // dy
    Operation<&Kernels::soft_cap>{.name = "soft_cap", .tolerance = kElementwise},
    Operation<&Kernels::soft_cap_backward>{.name = "soft_cap_backward", .tolerance = kElementwise},
    Operation<&Kernels::dropout>{.name = "dropout", .tolerance = kElementwise},
    Operation<&Kernels::attention>{
        .name = "attention",
        .tolerance = {3e-5, 1e-2, 2 * kUlp},  // a score's error is a probability's relative one
        .outputs = {0, 1},
        .floors = attention_floors,
        .cost = attention_cost},
    Operation<&Kernels::attention_step>{.name = "attention_step",
                                        .tolerance = {3e-5, 3e-5, 2 * kUlp},  // as attention
                                        .floors = attention_step_floors,
                                        .cost = attention_step_cost},
    Operation<&Kernels::attention_backward>{.name = "attention_backward",
                                            .tolerance = {1e-4, 2e-2, 2 * kUlp},
                                            .outputs = {0, 1, 2},
                                            .floors = attention_backward_floors,
                                            .cost = attention_backward_cost},
    Operation<&Kernels::cross_entropy>{
        .name = "cross_entropy", .tolerance = kSums, .floors = product_of<1>},
    Operation<&Kernels::cross_entropy_backward>{.name = "cross_entropy_backward",
                                                .tolerance = kSums,
                                                .outputs = {0, 1},
                                                .floors = cross_entropy_backward_floors},
    Operation<&Kernels::kl_divergence>{
        .name = "kl_divergence", .tolerance = kSums, .floors = kl_divergence_floors},
    Operation<&Kernels::kl_divergence_backward>{.name = "kl_divergence_backward",
                                                .tolerance = kSums,
                                                .outputs = {0, 2},
                                                .floors = kl_divergence_backward_floors},
    Operation<&Kernels::row_squared_distance>{.name = "row_squared_distance", .tolerance = kSums},
    Operation<&Kernels::row_distance_backward>{.name = "row_distance_backward",
                                               .tolerance = kElementwise},
    Operation<&Kernels::convert>{.name = "convert", .tolerance = kExact},
    Operation<&Kernels::add>{.name = "add", .tolerance = kElementwise, .floors = product_of<1>},
    Operation<&Kernels::fill>{.name = "fill", .tolerance = kExact},
    Operation<&Kernels::scale>{.name = "scale", .tolerance = kElementwise},
    Operation<&Kernels::axpy>{
        .name = "axpy", .tolerance = kElementwise, .floors = product_of<1, 2>},
    Operation<&Kernels::interpolate>{
        .name = "interpolate", .tolerance = kElementwise, .floors = product_of<1>},
    Operation<&Kernels::dot>{
        .name = "dot", .tolerance = kElementwise, .outputs = {}, .floors = product_of<0, 1>},
    Operation<&Kernels::squared_distance>{
        .name = "squared_distance", .tolerance = kElementwise, .outputs = {}},
    Operation<&Kernels::adamw>{.name = "adamw", .tolerance = kSums, .outputs = {0, 1, 2}},
};

// Rows are told apart by their member, so that many different rows are all there are.
inline constexpr size_t kOperationCount = std::tuple_size_v<decltype(kOperations)>;
static_assert(sizeof(Kernels) == 2 * sizeof(void*) + kOperationCount * sizeof(Op<void()>),
              "an operation of Kernels has no row in kOperations, or one too many");

// The row of one operation, such as operation<&Kernels::gemm>().
template <auto kMember>
constexpr const Operation<kMember>& operation() {
  return std::get<Operation<kMember>>(kOperations);
}

// Calls visit(row) for every operation, in the order of Kernels:
//   for_each_operation([&]<auto kMember>(const Operation<kMember>& row) { ... table.*kMember ... });
template <class Visit>
constexpr void for_each_operation(Visit visit) {
  std::apply([&](const auto&... rows) { (visit(rows), ...); }, kOperations);
}

// The name of an operation that a table lacks; none: nullptr.
constexpr const char* missing_operation(const Kernels& table) {
  const char* missing = nullptr;
  for_each_operation([&]<auto kMember>(const Operation<kMember>& row) {
    if (!(table.*kMember)) missing = row.name;
  });
  return missing;
}

// The tolerance of the operation of that name where its "T|G" arguments are of type `input` and an
// output is of type `output`.
double operation_tolerance(std::string_view name, DType input, DType output);

}  // namespace ilora
