#include "kernels/operations.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "kernels/elements.h"
#include "tensor/quant.h"

namespace ilora {

double largest(const Tensor& t) {
  double top = 0;
  for_each_element(t, [&](const auto&, int64_t offset) {
    const std::complex<double> x = element(t, offset);
    if (is_finite(x)) top = std::max(top, std::abs(x));
  });
  return top;
}

double largest(std::span<const float> values) {
  double top = 0;
  for (const float v : values) top = std::max(top, std::abs(static_cast<double>(v)));
  return top;
}

Cost gemm_cost(Tensor c, Tensor a, Tensor b, float, float) {
  const int64_t m = c.shape[0], n = c.shape[1], k = a.shape[1];
  const bool a_transposed = a.stride[1] != 1 && k > 1, b_transposed = b.stride[1] != 1 && n > 1;
  const GemmClass gemm = {a_transposed ? m : 0, n, a_transposed ? 0 : k, a_transposed,
                          b_transposed};
  return {gemm, 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k),
          argument_bytes(c) + argument_bytes(a) + argument_bytes(b)};
}

// Of the stored rows only those that are asked for.
Cost stored_rows_cost(Tensor y, Tensor stored, std::span<const int32_t>) {
  return {{}, 0, argument_bytes(y) + static_cast<double>(dtype_bytes(stored.dtype, y.size()))};
}

// Of the stored rows those that are multiplied.
Cost stored_product_cost(Tensor c, Tensor x, Tensor w, std::span<const int32_t>, float, float) {
  const double bytes = static_cast<double>(dtype_bytes(w.dtype, c.shape[1] * w.shape[1]));
  return {{}, 0, argument_bytes(c) + argument_bytes(x) + bytes};
}

// alpha x w: a sum may cancel, and so may a block's minimum against its elements.
Floors stored_product_floors(Tensor, Tensor x, Tensor w, std::span<const int32_t>, float alpha,
                             float) {
  std::vector<float> row(static_cast<size_t>(w.shape[1]));
  double top = 0;
  for (int64_t m = 0; m < w.shape[0]; ++m) {
    const auto* stored = static_cast<const std::byte*>(w.rows(m, m + 1).data);
    expand_elements(row.data(), w.dtype, stored, w.shape[1]);
    top = std::max(top, largest(row));
  }
  return {std::abs(static_cast<double>(alpha)) * largest(x) * top};
}

// Not a gemm class: its rate is that of bytes.
Cost byte_product_cost(Tensor c, Tensor x, const ByteMatrix& w, float, float) {
  return {{}, 0, argument_bytes(c) + argument_bytes(x) + static_cast<double>(w.bytes())};
}

// alpha x w: a sum may cancel.
Floors byte_product_floors(Tensor, Tensor x, const ByteMatrix& w, float alpha, float) {
  float top = 0;
  for (int64_t p = 0; p < w.panels(); ++p) {
    for (int64_t b = 0; b < w.blocks(); ++b) {
      for (const float scale : w.panel(p, b).scale) top = std::max(top, 127 * scale);
    }
  }
  return {std::abs(static_cast<double>(alpha)) * largest(x) * static_cast<double>(top)};
}

namespace {

// The number of (query, key) pairs of a span that the mask leaves.
double pairs_of(const AttentionSpan& s, int64_t window) {
  const int64_t before = s.shared_len + s.key_len - s.query_len;  // keys that every query sees
  // Of the queries, so many see fewer keys than the window holds.
  const int64_t open =
      window == 0 ? s.query_len : std::clamp<int64_t>(window - before, 0, s.query_len);
  const auto n = static_cast<double>(open);
  return n * static_cast<double>(before) + n * (n + 1) / 2 +
         static_cast<double>((s.query_len - open) * window);
}

// `products` of (queries, keys) pairs that the mask leaves, two FLOPs per element.
double attention_flops(const Tensor& q, const AttentionSpans& spans, double products) {
  double pairs = 0;
  for (const AttentionSpan& s : spans.spans) pairs += pairs_of(s, spans.window);
  return 2 * products * pairs * static_cast<double>(q.shape[1] * q.shape[2]);
}

}  // namespace

Cost attention_cost(Tensor o, Tensor lse, Tensor q, Tensor k, Tensor v, AttentionSpans spans) {
  return {{}, attention_flops(q, spans, 2), tensor_cost(o, lse, q, k, v).bytes};
}

Floors attention_floors(Tensor, Tensor, Tensor, Tensor, Tensor v, AttentionSpans) {
  return {largest(v), 1.0};
}

Cost attention_step_cost(Tensor o, Tensor q, Tensor k, Tensor v,
                         std::span<const AttentionSpan> spans) {
  double keys = 0;  // those of a cache that no span names are not read
  for (const AttentionSpan& s : spans) keys += static_cast<double>(s.key_len);
  const double rows = static_cast<double>(std::max<int64_t>(k.shape[0], 1));
  const double cache = (argument_bytes(k) + argument_bytes(v)) * keys / rows;
  return {{}, attention_flops(q, spans, 2), argument_bytes(o) + argument_bytes(q) + cache};
}

Floors attention_step_floors(Tensor, Tensor, Tensor, Tensor v, std::span<const AttentionSpan>) {
  return {largest(v)};
}

Cost attention_backward_cost(Tensor dq, Tensor dk, Tensor dv, Tensor do_, Tensor q, Tensor k,
                             Tensor v, Tensor o, Tensor lse, AttentionSpans spans) {
  return {{}, attention_flops(q, spans, 5), tensor_cost(dq, dk, dv, do_, q, k, v, o, lse).bytes};
}

// dS is a difference of terms as large as do . v.
Floors attention_backward_floors(Tensor, Tensor, Tensor, Tensor do_, Tensor q, Tensor k, Tensor v,
                                 Tensor, Tensor, AttentionSpans) {
  const double width = static_cast<double>(q.shape[2]);
  const double floor =
      largest(do_) * largest(v) * std::max(largest(q), largest(k)) / std::sqrt(width);
  return {floor, floor};
}

Floors cross_entropy_backward_floors(Tensor, Tensor logits, std::span<const int32_t>,
                                     std::span<const float> scale) {
  return {largest(logits), largest(scale)};
}

// Its terms are entropies, at most log V, and logits; how small the teacher's are does not matter.
Floors kl_divergence_floors(Tensor, Tensor logits, Tensor, double temperature) {
  return {std::log(static_cast<double>(logits.shape[1])) + largest(logits) / temperature};
}

Floors kl_divergence_backward_floors(Tensor loss, Tensor logits, Tensor teacher, double temperature,
                                     std::span<const float> scale) {
  return {kl_divergence_floors(loss, logits, teacher, temperature)[0],
          largest(scale) / temperature};
}

double operation_tolerance(std::string_view name, DType input, DType output) {
  std::optional<double> tolerance;
  for_each_operation([&](const auto& row) {
    if (row.name == name) tolerance = row.tolerance.of(input, output);
  });
  ILORA_CHECK(tolerance.has_value(), "no operation {}", name);
  return *tolerance;
}

}  // namespace ilora
