// Every backward function against differentiation by complex step of its forward: the gradient of
// L = sum(weights * outputs) with respect to each element of an input is Im L(x + i h) / h, h =
// 1e-30, run in the C128 table; the backward runs in the F64 table. Both must agree to 1e-10.
#include <gtest/gtest.h>

#include <complex>
#include <functional>
#include <vector>

#include "base/random.h"
#include "kernels/kernels.h"

namespace ilora {
namespace {

using Complex = std::complex<double>;

constexpr double kStep = 1e-30;
constexpr double kTolerance = 1e-10;

const Kernels& f64() {
  return reference_kernels(DType::kF64);
}
const Kernels& c128() {
  return reference_kernels(DType::kC128);
}

Buffer normal(std::initializer_list<int64_t> dims, uint64_t seed) {
  Buffer buffer(DType::kF64, dims);
  const Random random(seed, Stream::kTest);
  for (int64_t i = 0; i < buffer.view().size(); ++i) {
    buffer.ptr<double>()[i] = random.normal(static_cast<uint64_t>(i));
  }
  return buffer;
}

// A complex tensor of the same shape and values.
Buffer to_complex(const Tensor& x) {
  Buffer buffer(DType::kC128,
                {x.shape[0], x.rank > 1 ? x.shape[1] : 1, x.rank > 2 ? x.shape[2] : 1});
  for (int64_t i = 0; i < x.size(); ++i) buffer.ptr<Complex>()[i] = x.ptr<double>()[i];
  return buffer;
}

Tensor shaped(const Buffer& buffer, const Tensor& like) {
  Tensor view = like;
  view.data = buffer.view().data;
  view.dtype = buffer.view().dtype;
  return view;
}

// An input under differentiation: its real values, and the gradient that a backward claims.
struct Input {
  const char* name;
  Tensor value;
  Tensor gradient;
};

// The forward: complex inputs, in the order of the list, to the complex number L.
using Forward = std::function<Complex(const std::vector<Tensor>&)>;

// sum(weights * outputs).
Complex weighted(const Tensor& weights, const Tensor& outputs) {
  Complex sum = 0;
  for (int64_t i = 0; i < weights.size(); ++i) {
    sum += weights.ptr<double>()[i] * outputs.ptr<Complex>()[i];
  }
  return sum;
}

void expect_gradients(const std::vector<Input>& inputs, const Forward& forward) {
  std::vector<Buffer> buffers;
  std::vector<Tensor> values;
  for (const Input& input : inputs) {
    buffers.push_back(to_complex(input.value));
    values.push_back(shaped(buffers.back(), input.value));
  }
  for (size_t n = 0; n < inputs.size(); ++n) {
    const int64_t size = inputs[n].value.size();
    ASSERT_EQ(inputs[n].gradient.size(), size);
    std::vector<double> expected(static_cast<size_t>(size));
    double largest = 0;
    for (int64_t i = 0; i < size; ++i) {
      Complex& element = values[n].ptr<Complex>()[i];
      const Complex before = element;
      element += Complex(0, kStep);
      const double derivative = forward(values).imag() / kStep;
      element = before;
      expected[static_cast<size_t>(i)] = derivative;
      largest = std::max(largest, std::abs(derivative));
    }
    EXPECT_GT(largest, 0.0) << inputs[n].name;
    for (int64_t i = 0; i < size; ++i) {
      EXPECT_NEAR(inputs[n].gradient.ptr<double>()[i], expected[static_cast<size_t>(i)],
                  kTolerance * largest)
          << inputs[n].name << " element " << i;
    }
  }
}

// The identities that the model's backward uses: for y = alpha x w, dx = alpha dy w^T, dw = alpha
// x^T dy.
TEST(Gradients, Gemm) {
  const int64_t m = 5, n = 7, k = 3;
  const float alpha = 0.75f;
  const Buffer x = normal({m, k}, 1), w = normal({k, n}, 2), y0 = normal({m, n}, 3),
               dy = normal({m, n}, 4);
  const Buffer dx(DType::kF64, {m, k}), dw(DType::kF64, {k, n});
  f64().gemm(dx.view(), dy.view(), w.view().transposed(), alpha, 0.0f);
  f64().gemm(dw.view(), x.view().transposed(), dy.view(), alpha, 0.0f);
  expect_gradients(
      {{"x", x.view(), dx.view()}, {"w", w.view(), dw.view()}, {"y0", y0.view(), dy.view()}},
      [&](const std::vector<Tensor>& in) {
        const Buffer y = to_complex(y0.view());
        c128().convert(shaped(y, y0.view()), in[2]);
        c128().gemm(shaped(y, y0.view()), in[0], in[1], alpha, 1.0f);
        return weighted(dy.view(), y.view());
      });
}

TEST(Gradients, RmsNorm) {
  const int64_t n = 4, d = 9;
  const double eps = 1e-5;
  const Buffer x = normal({n, d}, 1), w = normal({d}, 2), dy = normal({n, d}, 3);
  const Buffer y(DType::kF64, {n, d}), rstd(DType::kF64, {n}), dx(DType::kF64, {n, d});
  f64().rmsnorm(y.view(), rstd.view(), x.view(), w.view(), eps);
  f64().rmsnorm_backward(dx.view(), dy.view(), x.view(), w.view(), rstd.view());
  const Buffer wc = to_complex(w.view());
  expect_gradients({{"x", x.view(), dx.view()}}, [&](const std::vector<Tensor>& in) {
    const Buffer out(DType::kC128, {n, d}), inverse(DType::kC128, {n});
    c128().rmsnorm(out.view(), inverse.view(), in[0], shaped(wc, w.view()), eps);
    return weighted(dy.view(), out.view());
  });
}

TEST(Gradients, RmsNormBackwardAccumulates) {
  const Buffer x = normal({2, 5}, 1), w = normal({5}, 2), dy = normal({2, 5}, 3),
               start = normal({2, 5}, 4);
  const Buffer y(DType::kF64, {2, 5}), rstd(DType::kF64, {2}), alone(DType::kF64, {2, 5}),
      onto = normal({2, 5}, 4);
  f64().rmsnorm(y.view(), rstd.view(), x.view(), w.view(), 1e-6);
  f64().rmsnorm_backward(alone.view(), dy.view(), x.view(), w.view(), rstd.view());
  f64().rmsnorm_backward(onto.view(), dy.view(), x.view(), w.view(), rstd.view());
  for (int64_t i = 0; i < 10; ++i) {
    EXPECT_NEAR(onto.ptr<double>()[i], start.ptr<double>()[i] + alone.ptr<double>()[i], 1e-14);
  }
}

TEST(Gradients, LayerNorm) {
  const int64_t n = 4, d = 9;
  const double eps = 1e-5;
  const Buffer x = normal({n, d}, 1), w = normal({d}, 2), b = normal({d}, 3),
               dy = normal({n, d}, 4);
  const Buffer y(DType::kF64, {n, d}), rstd(DType::kF64, {n}), dx(DType::kF64, {n, d});
  const Buffer wc = to_complex(w.view()), bc = to_complex(b.view());
  for (const bool biased : {false, true}) {
    f64().fill(dx.view(), 0.0);
    f64().layernorm(y.view(), rstd.view(), x.view(), w.view(), biased ? b.view() : Tensor(), eps);
    f64().layernorm_backward(dx.view(), dy.view(), x.view(), w.view(), rstd.view());
    expect_gradients({{"x", x.view(), dx.view()}}, [&](const std::vector<Tensor>& in) {
      const Buffer out(DType::kC128, {n, d}), inverse(DType::kC128, {n});
      c128().layernorm(out.view(), inverse.view(), in[0], shaped(wc, w.view()),
                       biased ? shaped(bc, b.view()) : Tensor(), eps);
      return weighted(dy.view(), out.view());
    });
  }
}

using Rope = Op<void(Tensor, Tensor, Tensor, Tensor, std::span<const int32_t>, bool)> Kernels::*;
void expect_rope_gradients(Rope rope) {
  const int64_t n = 4, heads = 3, width = 6, positions = 11;
  const Buffer x = normal({n, heads, width}, 1), dy = normal({n, heads, width}, 2);
  const Buffer angle = normal({positions, width / 2}, 3);
  const Buffer cosine(DType::kF64, {positions, width / 2}),
      sine(DType::kF64, {positions, width / 2});
  for (int64_t i = 0; i < angle.view().size(); ++i) {
    cosine.ptr<double>()[i] = std::cos(angle.ptr<double>()[i]);
    sine.ptr<double>()[i] = std::sin(angle.ptr<double>()[i]);
  }
  const std::vector<int32_t> at = {0, 10, 3, 3};
  const Buffer cc = to_complex(cosine.view()), sc = to_complex(sine.view());
  for (const bool inverse : {false, true}) {
    const Buffer dx(DType::kF64, {n, heads, width});
    (f64().*rope)(dx.view(), dy.view(), cosine.view(), sine.view(), at, !inverse);
    expect_gradients({{"x", x.view(), dx.view()}}, [&](const std::vector<Tensor>& in) {
      const Buffer y(DType::kC128, {n, heads, width});
      (c128().*rope)(y.view(), in[0], shaped(cc, cosine.view()), shaped(sc, cosine.view()), at,
                     inverse);
      return weighted(dy.view(), y.view());
    });
  }
}

TEST(Gradients, Rope) {
  expect_rope_gradients(&Kernels::rope);
}
TEST(Gradients, RopePairs) {
  expect_rope_gradients(&Kernels::rope_pairs);
}

using Gated = Op<void(Tensor, Tensor, Tensor)> Kernels::*;
using GatedBackward = Op<void(Tensor, Tensor, Tensor, Tensor, Tensor)> Kernels::*;
void expect_gated_gradients(Gated forward, GatedBackward backward) {
  const int64_t n = 3, f = 7;
  const Buffer gate = normal({n, f}, 1), up = normal({n, f}, 2), dy = normal({n, f}, 3);
  gate.ptr<double>()[0] = 30;
  gate.ptr<double>()[1] = -30;
  const Buffer dgate(DType::kF64, {n, f}), dup(DType::kF64, {n, f});
  (f64().*backward)(dgate.view(), dup.view(), dy.view(), gate.view(), up.view());
  expect_gradients({{"gate", gate.view(), dgate.view()}, {"up", up.view(), dup.view()}},
                   [&](const std::vector<Tensor>& in) {
                     const Buffer y(DType::kC128, {n, f});
                     (c128().*forward)(y.view(), in[0], in[1]);
                     return weighted(dy.view(), y.view());
                   });
  // In place: the gradients may take the inputs' memory.
  (f64().*backward)(gate.view(), up.view(), dy.view(), gate.view(), up.view());
  for (int64_t i = 0; i < n * f; ++i) {
    EXPECT_EQ(gate.ptr<double>()[i], dgate.ptr<double>()[i]);
    EXPECT_EQ(up.ptr<double>()[i], dup.ptr<double>()[i]);
  }
}

TEST(Gradients, Swiglu) {
  expect_gated_gradients(&Kernels::swiglu, &Kernels::swiglu_backward);
}
TEST(Gradients, Geglu) {
  expect_gated_gradients(&Kernels::geglu, &Kernels::geglu_backward);
}

TEST(Gradients, Gelu) {
  const int64_t n = 3, f = 7;
  const Buffer x = normal({n, f}, 1), dy = normal({n, f}, 2), dx(DType::kF64, {n, f});
  x.ptr<double>()[0] = 30;
  x.ptr<double>()[1] = -30;
  f64().gelu_backward(dx.view(), dy.view(), x.view());
  expect_gradients({{"x", x.view(), dx.view()}}, [&](const std::vector<Tensor>& in) {
    const Buffer y(DType::kC128, {n, f});
    c128().gelu(y.view(), in[0]);
    return weighted(dy.view(), y.view());
  });
}

TEST(Gradients, SoftCap) {
  const int64_t n = 3, d = 5;
  const double cap = 1.3;
  const Buffer x = normal({n, d}, 1), y = normal({n, d}, 1), dy = normal({n, d}, 2),
               dx = normal({n, d}, 2);
  f64().soft_cap(y.view(), cap);
  f64().soft_cap_backward(dx.view(), y.view(), cap);
  expect_gradients({{"x", x.view(), dx.view()}}, [&](const std::vector<Tensor>& in) {
    const Buffer out(DType::kC128, {n, d});
    c128().convert(out.view(), in[0]);
    c128().soft_cap(out.view(), cap);
    return weighted(dy.view(), out.view());
  });
}

TEST(Gradients, Dropout) {
  const int64_t n = 4, d = 9;
  const double p = 0.3;
  const std::vector<uint64_t> keys = {1, 22, 333, 4444};
  const Buffer x = normal({n, d}, 1), dy = normal({n, d}, 2), dx(DType::kF64, {n, d});
  f64().dropout(dx.view(), dy.view(), keys, p);
  expect_gradients({{"x", x.view(), dx.view()}}, [&](const std::vector<Tensor>& in) {
    const Buffer y(DType::kC128, {n, d});
    c128().dropout(y.view(), in[0], keys, p);
    return weighted(dy.view(), y.view());
  });
}

struct AttentionShape {
  int64_t heads, kv_heads, width, window = 0;
  double soft_cap = 0;
};

class AttentionGradients : public ::testing::TestWithParam<AttentionShape> {};

// Four sequences of odd lengths (one of length 1) with rows between them that belong to none; the
// key rows are not in the same place as the query rows.
TEST_P(AttentionGradients, AllInputs) {
  const int64_t heads = GetParam().heads, kv_heads = GetParam().kv_heads, width = GetParam().width;
  const std::vector<AttentionSpan> list = {
      {1, 3, 0, 3}, {4, 1, 4, 1}, {6, 7, 5, 7}, {13, 5, 12, 5}};
  const AttentionSpans spans(list, GetParam().window, GetParam().soft_cap);
  const int64_t n = 19, keys = 18;
  const Buffer q = normal({n, heads, width}, 1), k = normal({keys, kv_heads, width}, 2);
  const Buffer v = normal({keys, kv_heads, width}, 3), d = normal({n, heads, width}, 4);
  const Buffer o(DType::kF64, {n, heads, width}), lse(DType::kF64, {n, heads});
  const Buffer dq(DType::kF64, {n, heads, width}), dk(DType::kF64, {keys, kv_heads, width});
  const Buffer dv(DType::kF64, {keys, kv_heads, width});
  f64().attention(o.view(), lse.view(), q.view(), k.view(), v.view(), spans);
  f64().attention_backward(dq.view(), dk.view(), dv.view(), d.view(), q.view(), k.view(), v.view(),
                           o.view(), lse.view(), spans);
  expect_gradients(
      {{"q", q.view(), dq.view()}, {"k", k.view(), dk.view()}, {"v", v.view(), dv.view()}},
      [&](const std::vector<Tensor>& in) {
        const Buffer y(DType::kC128, {n, heads, width}), sums(DType::kC128, {n, heads});
        c128().attention(y.view(), sums.view(), in[0], in[1], in[2], spans);
        return weighted(d.view(), y.view());
      });
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionGradients,
                         ::testing::Values(AttentionShape{1, 1, 3}, AttentionShape{4, 2, 2},
                                           AttentionShape{3, 1, 4}, AttentionShape{2, 2, 5},
                                           AttentionShape{4, 2, 2, 3}, AttentionShape{2, 1, 3, 2},
                                           AttentionShape{2, 1, 4, 0, 0.7},
                                           AttentionShape{3, 1, 2, 4, 1.1}));

TEST(Gradients, AttentionLeavesUncoveredRows) {
  const std::vector<AttentionSpan> spans = {{1, 2, 2, 2}};
  const Buffer q = normal({4, 2, 3}, 1), k = normal({5, 1, 3}, 2), v = normal({5, 1, 3}, 3),
               d = normal({4, 2, 3}, 4);
  const Buffer o(DType::kF64, {4, 2, 3}), lse(DType::kF64, {4, 2});
  const Buffer dq(DType::kF64, {4, 2, 3}), dk(DType::kF64, {5, 1, 3}), dv(DType::kF64, {5, 1, 3});
  for (const Buffer* buffer : {&o, &lse, &dq, &dk, &dv}) f64().fill(buffer->view(), 77.0);
  f64().attention(o.view(), lse.view(), q.view(), k.view(), v.view(), spans);
  f64().attention_backward(dq.view(), dk.view(), dv.view(), d.view(), q.view(), k.view(), v.view(),
                           o.view(), lse.view(), spans);
  for (const Buffer* buffer : {&o, &lse, &dq, &dk, &dv}) {
    const Tensor t = buffer->view();
    const int64_t width = t.stride[0], first = t.shape[0] == 4 ? 1 : 2;
    for (int64_t i = 0; i < t.size(); ++i) {
      const int64_t row = i / width;
      const bool covered = row >= first && row < first + 2;
      EXPECT_EQ(t.ptr<double>()[i] == 77.0, !covered) << t.describe() << " element " << i;
    }
  }
}

TEST(Gradients, CrossEntropy) {
  const int64_t n = 4, vocabulary = 11;
  const std::vector<int32_t> targets = {0, 10, 3, 3};
  const std::vector<float> scale = {1.0f, 0.25f, 2.5f, 0.5f};
  const Buffer logits = normal({n, vocabulary}, 1), gradient = normal({n, vocabulary}, 1);
  logits.ptr<double>()[3] = gradient.ptr<double>()[3] = 40;
  const Buffer loss(DType::kF64, {n}), same(DType::kF64, {n});
  f64().cross_entropy(loss.view(), logits.view(), targets);
  f64().cross_entropy_backward(same.view(), gradient.view(), targets, scale);
  for (int64_t i = 0; i < n; ++i) EXPECT_EQ(loss.ptr<double>()[i], same.ptr<double>()[i]);
  expect_gradients({{"logits", logits.view(), gradient.view()}},
                   [&](const std::vector<Tensor>& in) {
                     const Buffer out(DType::kC128, {n});
                     c128().cross_entropy(out.view(), in[0], targets);
                     Complex sum = 0;
                     for (size_t i = 0; i < scale.size(); ++i)
                       sum += static_cast<double>(scale[i]) * out.ptr<Complex>()[i];
                     return sum;
                   });
}

// The teacher's second row knows two tokens alone.
TEST(Gradients, KlDivergence) {
  const int64_t n = 4, vocabulary = 11;
  const double temperature = 2.5;
  const std::vector<float> scale = {1.0f, 0.25f, 2.5f, 0.5f};
  const Buffer logits = normal({n, vocabulary}, 1), teacher = normal({n, vocabulary}, 2);
  logits.ptr<double>()[3] = 40;
  for (int64_t c = 2; c < vocabulary; ++c) teacher.ptr<double>()[vocabulary + c] = -1e30;
  const Buffer loss(DType::kF64, {n}), same(DType::kF64, {n}),
      tc = to_complex(teacher.view()), gradient(DType::kF64, {n, vocabulary});
  f64().convert(gradient.view(), teacher.view());
  f64().kl_divergence(loss.view(), logits.view(), teacher.view(), temperature);
  f64().kl_divergence_backward(same.view(), logits.view(), gradient.view(), temperature, scale);
  for (int64_t i = 0; i < n; ++i) EXPECT_EQ(loss.ptr<double>()[i], same.ptr<double>()[i]);
  expect_gradients(
      {{"logits", logits.view(), gradient.view()}}, [&](const std::vector<Tensor>& in) {
        const Buffer out(DType::kC128, {n});
        c128().kl_divergence(out.view(), in[0], shaped(tc, teacher.view()), temperature);
        Complex sum = 0;
        for (size_t i = 0; i < scale.size(); ++i)
          sum += static_cast<double>(scale[i]) * out.ptr<Complex>()[i];
        return sum;
      });
}

TEST(Gradients, RowDistance) {
  const int64_t n = 5, d = 9;
  const Buffer a = normal({n, d}, 1), b = normal({n, d}, 2), weights = normal({n}, 3);
  const Buffer b_complex = to_complex(b.view());
  for (const bool one_sided : {false, true}) {
    const Buffer da(DType::kF64, {n, d});
    f64().row_distance_backward(da.view(), a.view(), b.view(), weights.view(), one_sided);
    expect_gradients({{"a", a.view(), da.view()}}, [&](const std::vector<Tensor>& in) {
      const Buffer out(DType::kC128, {n});
      c128().row_squared_distance(out.view(), in[0], shaped(b_complex, b.view()), one_sided);
      return 0.5 * weighted(weights.view(), out.view());  // the backward gives half the gradient
    });
    Buffer onto = normal({n, d}, 4);  // accumulates
    f64().row_distance_backward(onto.view(), a.view(), b.view(), weights.view(), one_sided);
    const Buffer start = normal({n, d}, 4);
    for (int64_t i = 0; i < n * d; ++i) {
      EXPECT_NEAR(onto.ptr<double>()[i], start.ptr<double>()[i] + da.ptr<double>()[i], 1e-14);
    }
  }
}

}  // namespace
}  // namespace ilora
