// Two tables run side by side, for finding the operation at fault when a fast table misbehaves and
// for testing one. Each function below runs the reference on copies of the outputs, which start
// with the outputs' contents (so `+=`, rows left alone and calls in place compare rightly), then
// the fast table on the outputs themselves, and compares.
#include "kernels/check.h"

#include <array>
#include <cmath>
#include <complex>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <vector>

#include "kernels/kernels.h"

namespace ilora {

namespace {

struct Tolerance {
  std::string_view op;
  double f32;          // F32 operands, F32 output: rounding of single precision alone
  double bf16_inputs;  // BF16 operands, F32 output: products of operands are exact, probabilities
                       // may be rounded
  double bf16_output;  // BF16 output: one unit in the last place, 2^-7 of the largest, and the
                       // error before rounding
};

// Every operation. Those with 0 must give equal values.
constexpr double kUlp = 0x1p-7;
constexpr std::array<Tolerance, 27> kTolerances = {{
    {"gemm", 1e-5, 1e-5, kUlp},
    {"expand", 0, 0, 0},
    {"embed", 0, 0, 0},
    {"rmsnorm", 1e-5, 1e-5, kUlp},
    {"rmsnorm_backward", 1e-5, 1e-5, kUlp},
    {"add_row", 1e-6, 1e-6, kUlp},
    {"rope", 1e-6, 1e-6, kUlp},
    {"swiglu", 1e-5, 1e-5, kUlp},
    {"swiglu_backward", 1e-5, 1e-5, kUlp},
    {"dropout", 1e-6, 1e-6, kUlp},
    {"attention", 3e-5, 1e-2, 2 * kUlp},  // an error of a score is a relative one of a probability
    {"attention_backward", 1e-4, 2e-2, 2 * kUlp},
    {"cross_entropy", 1e-5, 1e-5, kUlp},
    {"cross_entropy_backward", 1e-5, 1e-5, kUlp},
    {"kl_divergence", 1e-5, 1e-5, kUlp},
    {"kl_divergence_backward", 1e-5, 1e-5, kUlp},
    {"row_squared_distance", 1e-5, 1e-5, kUlp},
    {"row_distance_backward", 1e-6, 1e-6, kUlp},
    {"convert", 0, 0, 0},
    {"add", 1e-6, 1e-6, kUlp},
    {"fill", 0, 0, 0},
    {"scale", 1e-6, 1e-6, kUlp},
    {"axpy", 1e-6, 1e-6, kUlp},
    {"interpolate", 1e-6, 1e-6, kUlp},
    {"dot", 1e-6, 1e-6, kUlp},
    {"squared_distance", 1e-6, 1e-6, kUlp},
    {"adamw", 1e-5, 1e-5, kUlp},
}};

using Complex = std::complex<double>;

Complex element(const Tensor& t, int64_t offset) {
  switch (t.dtype) {
    case DType::kF32:
      return static_cast<double>(t.ptr<float>()[offset]);
    case DType::kBF16:
      return static_cast<double>(to_float(t.ptr<BFloat16>()[offset]));
    case DType::kF64:
      return t.ptr<double>()[offset];
    case DType::kC128:
      return t.ptr<Complex>()[offset];
    default:
      break;
  }
  ILORA_CHECK(false, "check of {}", t.describe());
}

// Calls body(index, offset) for every element of a tensor, in order.
template <class Body>
void for_each(const Tensor& t, Body body) {
  if (t.size() == 0) return;
  std::array<int64_t, Tensor::kMaxRank> index{};
  for (int64_t i = 0; i < t.size(); ++i) {
    int64_t offset = 0;
    for (size_t d = 0; d < index.size(); ++d) offset += index[d] * t.stride[d];
    body(index, offset);
    for (int d = t.rank - 1; d >= 0; --d) {
      const auto axis = static_cast<size_t>(d);
      if (++index[axis] < t.shape[axis]) break;
      index[axis] = 0;
    }
  }
}

bool finite(const Complex& x) {
  return std::isfinite(x.real()) && std::isfinite(x.imag());
}

double largest(const Tensor& t) {
  double top = 0;
  for_each(t, [&](const auto&, int64_t offset) {
    const Complex x = element(t, offset);
    if (finite(x)) top = std::max(top, std::abs(x));
  });
  return top;
}

// A tensor of its own memory with the same strides and contents, the gaps between rows included.
class Copy {
 public:
  explicit Copy(const Tensor& t) : view_(t) {
    if (t.size() == 0) return;
    int64_t extent = 1;
    for (size_t d = 0; d < static_cast<size_t>(t.rank); ++d)
      extent += (t.shape[d] - 1) * t.stride[d];
    memory_ = Buffer(t.dtype, {extent});
    view_.data = memory_.view().data;
    std::memcpy(view_.data, t.data, static_cast<size_t>(memory_.view().bytes()));
  }
  const Tensor& view() const { return view_; }

 private:
  Buffer memory_;
  Tensor view_;
};

// One checked call: what it is, for messages.
struct Call {
  const char* op;
  DType input;                 // of the T|G arguments read
  std::vector<Tensor> inputs;  // for the message
  // Per output, how small its largest element may count as the scale of the tolerance: results of
  // cancellation are judged by what was cancelled. Missing ones are 0.
  std::vector<double> floors = {};
};

struct Pair {
  const Kernels* fast = nullptr;
  const Kernels* reference = nullptr;
};
Pair g_pair;  // a Kernels holds plain functions, so the pair it speaks of is the process's

[[noreturn]] void fail(const Call& call, const std::string& what) {
  std::string shapes;
  for (const Tensor& t : call.inputs) shapes += (shapes.empty() ? "" : ", ") + t.describe();
  throw Error(ErrorKind::kNumeric,
              fmt::format("[kernel {}] {} ({} against {}, inputs {})", call.op, what,
                          g_pair.fast->name, g_pair.reference->name, shapes),
              "a bug of the kernels; run with the reference kernels to go on without them");
}

void compare(const Call& call, size_t number, const Tensor& fast, const Tensor& reference) {
  const double tolerance = operation_tolerance(call.op, call.input, reference.dtype);
  const double floor = number < call.floors.size() ? call.floors[number] : 0.0;
  const double scale = std::max(largest(reference), floor);
  for_each(reference, [&](const auto& index, int64_t offset) {
    const Complex x = element(fast, offset), y = element(reference, offset);
    if (x == y || (std::isnan(x.real()) && std::isnan(y.real()))) return;
    if (finite(x) && finite(y) && std::abs(x - y) <= tolerance * scale) return;
    std::string at;
    for (int d = 0; d < reference.rank; ++d)
      at += fmt::format("{}{}", d ? ", " : "", index[static_cast<size_t>(d)]);
    fail(call,
         fmt::format("expected {:.9g}, got {:.9g} at ({}) of output {} {}, tolerance {:.3g}",
                     y.real(), x.real(), at, number, reference.describe(), tolerance * scale));
  });
}

// Runs `run(table, outputs)` with both tables. The reference goes first: `fast` may overwrite
// inputs in place.
template <class Run>
void checked(const Call& call, std::initializer_list<Tensor> outputs, Run run) {
  std::vector<Copy> copies;
  std::vector<Tensor> expected;
  expected.reserve(outputs.size());
  for (const Tensor& t : outputs) copies.emplace_back(t);
  for (const Copy& copy : copies) expected.push_back(copy.view());
  const std::vector<Tensor> actual(outputs);
  run(*g_pair.reference, expected);
  run(*g_pair.fast, actual);
  for (size_t i = 0; i < actual.size(); ++i) compare(call, i, actual[i], expected[i]);
}

using Outputs = const std::vector<Tensor>&;

void gemm(Tensor c, Tensor a, Tensor b, float alpha, float beta) {
  const double floor = std::abs(static_cast<double>(alpha)) * largest(a) * largest(b);
  checked({"gemm", a.dtype, {a, b}, {floor}}, {c},
          [&](const Kernels& k, Outputs o) { k.gemm(o[0], a, b, alpha, beta); });
}

void expand(Tensor y, Tensor x, std::span<const int32_t> rows) {
  checked({"expand", x.dtype, {x}}, {y},
          [&](const Kernels& k, Outputs o) { k.expand(o[0], x, rows); });
}

void embed(Tensor y, Tensor table, std::span<const int32_t> ids) {
  checked({"embed", table.dtype, {table}}, {y},
          [&](const Kernels& k, Outputs o) { k.embed(o[0], table, ids); });
}

void rmsnorm(Tensor y, Tensor rstd, Tensor x, Tensor w, double eps) {
  checked({"rmsnorm", x.dtype, {x, w}}, {y, rstd},
          [&](const Kernels& k, Outputs o) { k.rmsnorm(o[0], o[1], x, w, eps); });
}

void rmsnorm_backward(Tensor dx, Tensor dy, Tensor x, Tensor w, Tensor rstd) {
  checked({"rmsnorm_backward", dy.dtype, {dy, x, w, rstd}}, {dx},
          [&](const Kernels& k, Outputs o) { k.rmsnorm_backward(o[0], dy, x, w, rstd); });
}

void add_row(Tensor y, Tensor w) {
  checked({"add_row", w.dtype, {w}, {largest(w)}}, {y},
          [&](const Kernels& k, Outputs o) { k.add_row(o[0], w); });
}

void rope(Tensor y, Tensor x, Tensor cos, Tensor sin, std::span<const int32_t> positions,
          bool inverse) {
  checked({"rope", x.dtype, {x, cos, sin}, {largest(x)}}, {y},
          [&](const Kernels& k, Outputs o) { k.rope(o[0], x, cos, sin, positions, inverse); });
}

void swiglu(Tensor y, Tensor gate, Tensor up) {
  checked({"swiglu", gate.dtype, {gate, up}}, {y},
          [&](const Kernels& k, Outputs o) { k.swiglu(o[0], gate, up); });
}

void swiglu_backward(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up) {
  const double floor = largest(dy) * largest(up);
  checked({"swiglu_backward", gate.dtype, {dy, gate, up}, {floor, floor}}, {dgate, dup},
          [&](const Kernels& k, Outputs o) { k.swiglu_backward(o[0], o[1], dy, gate, up); });
}

void dropout(Tensor y, Tensor x, std::span<const uint64_t> row_keys, double p) {
  checked({"dropout", x.dtype, {x}}, {y},
          [&](const Kernels& k, Outputs o) { k.dropout(o[0], x, row_keys, p); });
}

void attention(Tensor o, Tensor lse, Tensor q, Tensor k, Tensor v,
               std::span<const AttentionSpan> spans) {
  checked(
      {"attention", q.dtype, {q, k, v}, {largest(v), 1.0}}, {o, lse},
      [&](const Kernels& table, Outputs out) { table.attention(out[0], out[1], q, k, v, spans); });
}

void attention_backward(Tensor dq, Tensor dk, Tensor dv, Tensor do_, Tensor q, Tensor k, Tensor v,
                        Tensor o, Tensor lse, std::span<const AttentionSpan> spans) {
  // dS is a difference of terms as large as do . v.
  const double width = static_cast<double>(q.shape[2]);
  const double floor =
      largest(do_) * largest(v) * std::max(largest(q), largest(k)) / std::sqrt(width);
  // Where o is BF16, so may be the operands of products.
  const DType operands = o.dtype == DType::kBF16 ? o.dtype : q.dtype;
  checked({"attention_backward", operands, {do_, q, k, v, o}, {floor, floor}}, {dq, dk, dv},
          [&](const Kernels& table, Outputs out) {
            table.attention_backward(out[0], out[1], out[2], do_, q, k, v, o, lse, spans);
          });
}

void cross_entropy(Tensor loss, Tensor logits, std::span<const int32_t> targets) {
  checked({"cross_entropy", logits.dtype, {logits}, {largest(logits)}}, {loss},
          [&](const Kernels& k, Outputs o) { k.cross_entropy(o[0], logits, targets); });
}

void cross_entropy_backward(Tensor loss, Tensor logits, std::span<const int32_t> targets,
                            std::span<const float> scale) {
  double floor = 0;
  for (const float s : scale) floor = std::max(floor, std::abs(static_cast<double>(s)));
  checked(
      {"cross_entropy_backward", logits.dtype, {logits}, {largest(logits), floor}}, {loss, logits},
      [&](const Kernels& k, Outputs o) { k.cross_entropy_backward(o[0], o[1], targets, scale); });
}

// Its terms are entropies, at most log V, and logits. (The teacher's may be as small as they like.)
double divergence_floor(const Tensor& logits, double temperature) {
  return std::log(static_cast<double>(logits.shape[1])) + largest(logits) / temperature;
}

void kl_divergence(Tensor loss, Tensor logits, Tensor teacher, double temperature) {
  const double floor = divergence_floor(logits, temperature);
  checked(
      {"kl_divergence", logits.dtype, {logits, teacher}, {floor}}, {loss},
      [&](const Kernels& k, Outputs o) { k.kl_divergence(o[0], logits, teacher, temperature); });
}

void kl_divergence_backward(Tensor loss, Tensor logits, Tensor teacher, double temperature,
                            std::span<const float> scale) {
  double top = 0;
  for (const float s : scale) top = std::max(top, std::abs(static_cast<double>(s)));
  checked({"kl_divergence_backward",
           logits.dtype,
           {logits, teacher},
           {divergence_floor(logits, temperature), top / temperature}},
          {loss, teacher}, [&](const Kernels& k, Outputs o) {
            k.kl_divergence_backward(o[0], logits, o[1], temperature, scale);
          });
}

void row_squared_distance(Tensor out, Tensor a, Tensor b, bool one_sided) {
  checked({"row_squared_distance", a.dtype, {a, b}}, {out},
          [&](const Kernels& k, Outputs o) { k.row_squared_distance(o[0], a, b, one_sided); });
}

void row_distance_backward(Tensor da, Tensor a, Tensor b, Tensor scale, bool one_sided) {
  checked(
      {"row_distance_backward", a.dtype, {a, b, scale}}, {da},
      [&](const Kernels& k, Outputs o) { k.row_distance_backward(o[0], a, b, scale, one_sided); });
}

void convert(Tensor y, Tensor x) {
  checked({"convert", x.dtype, {x}}, {y}, [&](const Kernels& k, Outputs o) { k.convert(o[0], x); });
}

void add(Tensor y, Tensor x) {
  checked({"add", x.dtype, {x}, {largest(x)}}, {y},
          [&](const Kernels& k, Outputs o) { k.add(o[0], x); });
}

void fill(Tensor y, double value) {
  checked({"fill", y.dtype, {}}, {y}, [&](const Kernels& k, Outputs o) { k.fill(o[0], value); });
}

void scale(Tensor y, double factor) {
  checked({"scale", y.dtype, {}}, {y}, [&](const Kernels& k, Outputs o) { k.scale(o[0], factor); });
}

void axpy(Tensor y, double factor, Tensor x) {
  checked({"axpy", x.dtype, {x}, {std::abs(factor) * largest(x)}}, {y},
          [&](const Kernels& k, Outputs o) { k.axpy(o[0], factor, x); });
}

void interpolate(Tensor slow, Tensor fast, double lambda) {
  checked({"interpolate", slow.dtype, {fast}, {largest(fast)}}, {slow},
          [&](const Kernels& k, Outputs o) { k.interpolate(o[0], fast, lambda); });
}

// A number of both tables, on the scale of the terms it sums.
double checked_number(const char* op, double (*Kernels::*function)(Tensor, Tensor), Tensor x,
                      Tensor y, double floor) {
  double fast = (g_pair.fast->*function)(x, y), reference = (g_pair.reference->*function)(x, y);
  const DType f64 = DType::kF64;
  compare({op, x.dtype, {x, y}, {floor}}, 0, Tensor(&fast, f64, {1}), Tensor(&reference, f64, {1}));
  return fast;
}

double dot(Tensor x, Tensor y) {
  return checked_number("dot", &Kernels::dot, x, y, largest(x) * largest(y));
}

double squared_distance(Tensor x, Tensor y) {
  return checked_number("squared_distance", &Kernels::squared_distance, x, y, 0.0);
}

void adamw(Tensor theta, Tensor m, Tensor v, Tensor g, const AdamWStep& step) {
  checked({"adamw", g.dtype, {theta, m, v, g}}, {theta, m, v},
          [&](const Kernels& k, Outputs o) { k.adamw(o[0], o[1], o[2], g, step); });
}

}  // namespace

double operation_tolerance(std::string_view op, DType input, DType output) {
  for (const Tolerance& t : kTolerances) {
    if (t.op != op) continue;
    if (output == DType::kBF16) return t.bf16_output;
    return input == DType::kBF16 ? t.bf16_inputs : t.f32;
  }
  ILORA_CHECK(false, "no tolerance for operation {}", op);
}

const Kernels& check_kernels(const Kernels& fast, const Kernels& reference) {
  ILORA_CHECK(fast.state == reference.state, "{} has another state type than {}", fast.name,
              reference.name);
  ILORA_CHECK(g_pair.fast == nullptr || (g_pair.fast == &fast && g_pair.reference == &reference),
              "check_kernels was called with another pair before");
  g_pair = {&fast, &reference};
  static const Kernels table = {
      .name = "check",
      .state = fast.state,
      .gemm = gemm,
      .expand = expand,
      .embed = embed,
      .rmsnorm = rmsnorm,
      .rmsnorm_backward = rmsnorm_backward,
      .add_row = add_row,
      .rope = rope,
      .swiglu = swiglu,
      .swiglu_backward = swiglu_backward,
      .dropout = dropout,
      .attention = attention,
      .attention_backward = attention_backward,
      .cross_entropy = cross_entropy,
      .cross_entropy_backward = cross_entropy_backward,
      .kl_divergence = kl_divergence,
      .kl_divergence_backward = kl_divergence_backward,
      .row_squared_distance = row_squared_distance,
      .row_distance_backward = row_distance_backward,
      .convert = convert,
      .add = add,
      .fill = fill,
      .scale = scale,
      .axpy = axpy,
      .interpolate = interpolate,
      .dot = dot,
      .squared_distance = squared_distance,
      .adamw = adamw,
  };
  return table;
}

}  // namespace ilora
