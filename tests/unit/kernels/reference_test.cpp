// The reference kernels against values worked out by hand, and against PyTorch's. Their gradients:
// kernel_gradients_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/random.h"
#include "kernels/kernels.h"

namespace ilora {
namespace {

const Kernels& f32() {
  return reference_kernels(DType::kF32);
}
const Kernels& f64() {
  return reference_kernels(DType::kF64);
}

// A view of a vector's memory.
template <class T>
Tensor view(std::vector<T>& values, std::initializer_list<int64_t> dims) {
  const Tensor t(values.data(), DTypeOf<T>::value, dims);
  ILORA_CHECK(t.size() == static_cast<int64_t>(values.size()));
  return t;
}

std::vector<double> normals(int64_t count, uint64_t seed) {
  std::vector<double> values;
  const Random random(seed, Stream::kTest);
  for (int64_t i = 0; i < count; ++i) values.push_back(random.normal(static_cast<uint64_t>(i)));
  return values;
}

TEST(Reference, GemmByHand) {
  std::vector<float> a = {1, 2, 3, 4, 5, 6}, b = {1, 0, 2, 1, 0, 3}, c = {10, 20, 30, 40};
  f32().gemm(view(c, {2, 2}), view(a, {2, 3}), view(b, {3, 2}), 2.0f, 1.0f);
  // a b = {{5, 11}, {14, 23}}
  EXPECT_THAT(c, ::testing::ElementsAre(20, 42, 58, 86));
  // beta 0 does not read c, and both operands may be transposed views: (b^T a^T) = (a b)^T.
  c.assign(4, std::numeric_limits<float>::quiet_NaN());
  f32().gemm(view(c, {2, 2}), view(b, {3, 2}).transposed(), view(a, {2, 3}).transposed(), 1.0f,
             0.0f);
  EXPECT_THAT(c, ::testing::ElementsAre(5, 14, 11, 23));
}

TEST(Reference, GemmOfBf16RoundsOnce) {
  // 256 + 1 is no bf16 number and lies between 256 and 258: a tie, to the even one; 256 + 3 goes to
  // 260.
  std::vector<BFloat16> a = {to_bfloat16(256), to_bfloat16(1), to_bfloat16(256), to_bfloat16(3)};
  std::vector<BFloat16> b = {to_bfloat16(1), to_bfloat16(1)}, c(2);
  std::vector<float> exact(2);
  f32().gemm(view(c, {2, 1}), view(a, {2, 2}), view(b, {2, 1}), 1.0f, 0.0f);
  f32().gemm(view(exact, {2, 1}), view(a, {2, 2}), view(b, {2, 1}), 1.0f, 0.0f);
  EXPECT_EQ(to_float(c[0]), 256.0f);
  EXPECT_EQ(to_float(c[1]), 260.0f);
  EXPECT_THAT(exact, ::testing::ElementsAre(257.0f, 259.0f));
}

TEST(Reference, EmbedGivesZerosForPadding) {
  std::vector<float> table = {1, 2, 3, 4, 5, 6}, y(8, 9.0f);
  const std::vector<int32_t> ids = {2, -1, 0, -7};
  f32().embed(view(y, {4, 2}), view(table, {3, 2}), ids);
  EXPECT_THAT(y, ::testing::ElementsAre(5, 6, 0, 0, 1, 2, 0, 0));
}

TEST(Reference, RmsNormByHand) {
  std::vector<double> x = {3, 4, 0, 0}, w = {1, 2}, y(4), rstd(2);
  f64().rmsnorm(view(y, {2, 2}), view(rstd, {2}), view(x, {2, 2}), view(w, {2}), 0.25);
  EXPECT_NEAR(rstd[0], 1 / std::sqrt(12.75), 1e-15);
  EXPECT_NEAR(y[0], 3 / std::sqrt(12.75), 1e-15);
  EXPECT_NEAR(y[1], 8 / std::sqrt(12.75), 1e-15);
  EXPECT_EQ(rstd[1], 2.0);  // a row of zeros stays one
  EXPECT_EQ(y[2], 0.0);
  EXPECT_EQ(y[3], 0.0);
}

TEST(Reference, RopeTurnsHalfSplitPairsAndBack) {
  std::vector<double> cosine = {1, 1, 0, -1},
                      sine = {0, 0, 1, 0};  // position 1: a quarter turn, a half turn
  std::vector<double> x = {1, 2, 3, 4}, y(4), back(4);
  const std::vector<int32_t> position = {1};
  f64().rope(view(y, {1, 1, 4}), view(x, {1, 1, 4}), view(cosine, {2, 2}), view(sine, {2, 2}),
             position, false);
  EXPECT_THAT(y, ::testing::ElementsAre(-3, -2, 1, -4));
  f64().rope(view(back, {1, 1, 4}), view(y, {1, 1, 4}), view(cosine, {2, 2}), view(sine, {2, 2}),
             position, true);
  EXPECT_EQ(back, x);
}

TEST(Reference, SwigluByHandAndAtExtremes) {
  std::vector<double> gate = {0, 1, -1000, 1000}, up = {5, 2, 3, 0.5}, y(4), dgate(4), dup(4),
                      dy(4, 1.0);
  f64().swiglu(view(y, {1, 4}), view(gate, {1, 4}), view(up, {1, 4}));
  EXPECT_EQ(y[0], 0.0);
  EXPECT_NEAR(y[1], 2 / (1 + std::exp(-1.0)), 1e-15);
  EXPECT_EQ(y[2], 0.0);
  EXPECT_EQ(y[3], 500.0);
  f64().swiglu_backward(view(dgate, {1, 4}), view(dup, {1, 4}), view(dy, {1, 4}),
                        view(gate, {1, 4}), view(up, {1, 4}));
  EXPECT_EQ(dgate[0], 2.5);
  EXPECT_EQ(dgate[2], 0.0);
  EXPECT_EQ(dgate[3], 0.5);
  EXPECT_EQ(dup[3], 1000.0);
}

TEST(Reference, DropoutKeepsTheStatedShare) {
  for (const double p : {0.0, 0.05, 0.5, 0.9}) {
    int64_t kept = 0;
    constexpr int64_t kRows = 200, kColumns = 500;
    for (int64_t r = 0; r < kRows; ++r) {
      const uint64_t key = mix64(static_cast<uint64_t>(r));
      for (int64_t c = 0; c < kColumns; ++c) kept += dropout_keep(key, c, p);
    }
    const double share = static_cast<double>(kept) / (kRows * kColumns);
    EXPECT_NEAR(share, 1 - p, 4 * std::sqrt(p * (1 - p) / (kRows * kColumns)) + 1e-12) << p;
  }
}

TEST(Reference, DropoutIsTheDocumentedHash) {
  EXPECT_EQ(dropout_threshold(0.0), 0u);
  EXPECT_EQ(dropout_threshold(0.5), 1u << 23);
  EXPECT_EQ(dropout_threshold(0.1), 1677722u);  // ceil(1677721.6)
  for (int64_t column = 0; column < 1000; ++column) {
    const uint64_t hash = mix64(42 + 0x9e3779b97f4a7c15ULL * (static_cast<uint64_t>(column) + 1));
    EXPECT_EQ(dropout_keep(42, column, 0.1), (hash >> 40) >= 1677722u) << column;
  }
  std::vector<float> x(64, 3.0f), y(64);
  const std::vector<uint64_t> keys = {42};
  f32().dropout(view(y, {1, 64}), view(x, {1, 64}), keys, 0.25);
  for (int64_t c = 0; c < 64; ++c)
    EXPECT_EQ(y[static_cast<size_t>(c)], dropout_keep(42, c, 0.25) ? 4.0f : 0.0f);
}

// With one-hot values the outputs are the softmax's rows themselves.
TEST(Reference, AttentionRowsAreCausalSoftmaxes) {
  const int64_t n = 5;
  std::vector<double> q = normals(n * n, 1), k = normals(n * n, 2), v(static_cast<size_t>(n * n)),
                      o(v.size());
  std::vector<double> lse(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) v[static_cast<size_t>(i * n + i)] = 1;
  const std::vector<AttentionSpan> spans = {{0, 2, 0, 2}, {2, 3, 2, 3}};
  f64().attention(view(o, {n, 1, n}), view(lse, {n, 1}), view(q, {n, 1, n}), view(k, {n, 1, n}),
                  view(v, {n, 1, n}), spans);
  for (int64_t i = 0; i < n; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < n; ++j) {
      const double p = o[static_cast<size_t>(i * n + j)];
      const bool visible = j <= i && (i < 2) == (j < 2);
      double score = 0;
      for (int64_t d = 0; d < n; ++d)
        score += q[static_cast<size_t>(i * n + d)] * k[static_cast<size_t>(j * n + d)];
      score /= std::sqrt(static_cast<double>(n));
      EXPECT_NEAR(p, visible ? std::exp(score - lse[static_cast<size_t>(i)]) : 0.0, 1e-14);
      sum += p;
    }
    EXPECT_NEAR(sum, 1.0, 1e-14);
  }
}

TEST(Reference, AttentionOfTheLastQueriesIsTheTailOfAll) {
  const int64_t n = 7, heads = 4, kv_heads = 2, width = 3;
  std::vector<double> q = normals(n * heads * width, 1), k = normals(n * kv_heads * width, 2);
  std::vector<double> v = normals(n * kv_heads * width, 3), all(q.size()), tail(q.size());
  std::vector<double> lse(static_cast<size_t>(n * heads)), tail_lse(lse.size());
  const Tensor tq = view(q, {n, heads, width}), tk = view(k, {n, kv_heads, width}),
               tv = view(v, {n, kv_heads, width});
  const std::vector<AttentionSpan> whole = {{0, n, 0, n}};
  f64().attention(view(all, {n, heads, width}), view(lse, {n, heads}), tq, tk, tv, whole);
  for (int64_t last = 1; last < n; ++last) {
    const std::vector<AttentionSpan> spans = {{0, last, 0, n}};
    const Tensor out = view(tail, {n, heads, width}).rows(0, last);
    f64().attention(out, view(tail_lse, {n, heads}).rows(0, last), tq.rows(n - last, n), tk, tv,
                    spans);
    for (int64_t i = 0; i < last * heads * width; ++i) {
      EXPECT_EQ(tail[static_cast<size_t>(i)],
                all[static_cast<size_t>((n - last) * heads * width + i)]);
    }
  }
}

TEST(Reference, CrossEntropyByHand) {
  std::vector<double> logits = {std::log(1.0), std::log(2.0), std::log(5.0), 1000, 0, 0}, loss(2);
  const std::vector<int32_t> targets = {1, 0};
  const std::vector<float> scale = {2.0f, 1.0f};
  f64().cross_entropy_backward(view(loss, {2}), view(logits, {2, 3}), targets, scale);
  EXPECT_NEAR(loss[0], std::log(4.0), 1e-15);
  EXPECT_EQ(loss[1], 0.0);
  EXPECT_NEAR(logits[0], 0.25, 1e-15);
  EXPECT_NEAR(logits[1], -1.5, 1e-15);
  EXPECT_NEAR(logits[2], 1.25, 1e-15);
  EXPECT_EQ(logits[3], 0.0);
}

TEST(Reference, KlDivergenceByHand) {
  // p = (1/4, 3/4, 0), q = (1/2, 1/4, 1/4); at temperature 2 the logits are twice as large.
  std::vector<double> logits = {2 * std::log(2.0), 0, 0}, teacher = {0, 2 * std::log(3.0), -1e30},
                      loss(1);
  const std::vector<float> scale = {3.0f};
  const double expected = 0.25 * std::log(0.5) + 0.75 * std::log(3.0);
  f64().kl_divergence(view(loss, {1}), view(logits, {1, 3}), view(teacher, {1, 3}), 2.0);
  EXPECT_NEAR(loss[0], expected, 1e-15);
  loss[0] = 0;
  f64().kl_divergence_backward(view(loss, {1}), view(logits, {1, 3}), view(teacher, {1, 3}), 2.0,
                               scale);
  EXPECT_NEAR(loss[0], expected, 1e-15);
  EXPECT_NEAR(teacher[0], 1.5 * 0.25, 1e-15);
  EXPECT_NEAR(teacher[1], 1.5 * -0.5, 1e-15);
  EXPECT_NEAR(teacher[2], 1.5 * 0.25, 1e-15);
  EXPECT_EQ(logits[1], 0.0);
}

// make_divergence.py; in float64, so that only rounding is between them.
TEST(Reference, KlDivergenceFollowsPyTorch) {
  const Json json =
      read_json(std::string(ILORA_SOURCE_DIR) + "/tests/golden/divergence/reference.json");
  const auto flat = [](const Json& rows) {
    std::vector<double> values;
    for (const Json& row : rows)
      for (const Json& x : row) values.push_back(x.is_null() ? -1e30 : x.get<double>());
    return values;
  };
  const auto scale = json.at("scale").get<std::vector<float>>();
  const auto n = static_cast<int64_t>(scale.size());
  std::vector<double> logits = flat(json.at("logits"));
  const int64_t v = static_cast<int64_t>(logits.size()) / n;
  for (const Json& expected : json.at("cases")) {
    std::vector<double> teacher = flat(json.at("teacher")), loss(scale.size());
    const double temperature = expected.at("temperature");
    f64().kl_divergence_backward(view(loss, {n}), view(logits, {n, v}), view(teacher, {n, v}),
                                 temperature, scale);
    const std::vector<double> gradient = flat(expected.at("gradient"));
    for (size_t i = 0; i < loss.size(); ++i)
      EXPECT_NEAR(loss[i], expected.at("loss").at(i).get<double>(), 1e-12) << temperature;
    for (size_t i = 0; i < gradient.size(); ++i)
      EXPECT_NEAR(teacher[i], gradient[i], 1e-13) << temperature << " element " << i;
  }
}

TEST(Reference, RowDistancesByHand) {
  std::vector<double> a = {1, 5, 2, 2}, b = {3, 1, 2, 5}, out(2), da(4, 1.0), scale = {2, 10};
  f64().row_squared_distance(view(out, {2}), view(a, {2, 2}), view(b, {2, 2}), false);
  EXPECT_THAT(out, ::testing::ElementsAre(4 + 16, 9));
  f64().row_squared_distance(view(out, {2}), view(a, {2, 2}), view(b, {2, 2}), true);
  EXPECT_THAT(out, ::testing::ElementsAre(4, 9));  // only where b is larger
  f64().row_distance_backward(view(da, {2, 2}), view(a, {2, 2}), view(b, {2, 2}), view(scale, {2}),
                              true);
  EXPECT_THAT(da, ::testing::ElementsAre(1 - 4, 1, 1, 1 - 30));
}

TEST(Reference, VectorsByHand) {
  std::vector<double> y = {1, 2, 3}, x = {10, 20, -30};
  f64().add(view(y, {3}), view(x, {3}));
  EXPECT_THAT(y, ::testing::ElementsAre(11, 22, -27));
  f64().axpy(view(y, {3}), 0.5, view(x, {3}));
  EXPECT_THAT(y, ::testing::ElementsAre(16, 32, -42));
  f64().scale(view(y, {3}), 0.5);
  EXPECT_THAT(y, ::testing::ElementsAre(8, 16, -21));
  EXPECT_EQ(f64().dot(view(y, {3}), view(x, {3})), 80 + 320 + 630);
  EXPECT_EQ(f64().squared_distance(view(y, {3}), view(x, {3})), 4 + 16 + 81);
  f64().fill(view(y, {3}), 0.25);
  EXPECT_THAT(y, ::testing::ElementsAre(0.25, 0.25, 0.25));
  std::vector<std::complex<double>> z = {{1, 2}}, u = {{3, 5}};
  EXPECT_EQ(reference_kernels(DType::kC128).dot(view(z, {1}), view(u, {1})),
            3 - 10);  // no conjugate
}

TEST(Reference, ConvertRoundsToNearestEven) {
  std::vector<float> x = {1.0f, std::bit_cast<float>(0x3f808001u),
                          std::bit_cast<float>(0x3f808000u), std::bit_cast<float>(0x3f818000u)};
  std::vector<BFloat16> y(4);
  f32().convert(view(y, {4}), view(x, {4}));
  EXPECT_EQ(y[0].bits, 0x3f80);
  EXPECT_EQ(y[1].bits, 0x3f81);  // above the middle
  EXPECT_EQ(y[2].bits, 0x3f80);  // ties go to the even neighbour
  EXPECT_EQ(y[3].bits, 0x3f82);
  std::vector<float> back(4);
  f32().convert(view(back, {4}), view(y, {4}));
  EXPECT_EQ(back[1], std::bit_cast<float>(0x3f810000u));
}

TEST(Reference, InterpolateIsExactAtItsEnds) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> before = {-0.0f, 0.1f, 1e-45f, inf, 3.0f},
                           other = {0.3f, -0.0f, inf, 7.0f, 1e-45f};
  std::vector<float> slow = before, fast = other;
  f32().interpolate(view(slow, {5}), view(fast, {5}), 1.0);
  EXPECT_EQ(std::memcmp(slow.data(), before.data(), 5 * sizeof(float)), 0);
  f32().interpolate(view(slow, {5}), view(fast, {5}), 0.0);
  EXPECT_EQ(std::memcmp(slow.data(), other.data(), 5 * sizeof(float)), 0);
  slow = {4.0f};
  fast = {8.0f};
  f32().interpolate(view(slow, {1}), view(fast, {1}), 0.75);
  EXPECT_EQ(slow[0], 5.0f);
}

// Three steps written out from PyTorch's documentation of AdamW: the moments as explicit weighted
// sums.
TEST(Reference, AdamWFollowsPyTorch) {
  const double lr = 0.1, b1 = 0.9, b2 = 0.99, eps = 1e-3, decay = 0.2, g[3] = {0.5, -2.0, 1.0};
  const double m[3] = {0.1 * g[0], 0.1 * (0.9 * g[0] + g[1]),
                       0.1 * (0.81 * g[0] + 0.9 * g[1] + g[2])};
  const double v[3] = {0.01 * g[0] * g[0], 0.01 * (0.99 * g[0] * g[0] + g[1] * g[1]),
                       0.01 * (0.9801 * g[0] * g[0] + 0.99 * g[1] * g[1] + g[2] * g[2])};
  const double c1[3] = {0.1, 0.19, 0.271}, c2[3] = {0.01, 0.0199, 0.029701};
  std::vector<double> theta = {1.5}, first = {0}, second = {0};
  double expected = 1.5;
  for (int i = 0; i < 3; ++i) {
    std::vector<double> gradient = {g[i]};
    f64().adamw(view(theta, {1}), view(first, {1}), view(second, {1}), view(gradient, {1}),
                {.learning_rate = lr,
                 .beta1 = b1,
                 .beta2 = b2,
                 .epsilon = eps,
                 .weight_decay = decay,
                 .step = i + 1});
    expected = expected * (1 - lr * decay) - lr * (m[i] / c1[i]) / (std::sqrt(v[i] / c2[i]) + eps);
    EXPECT_NEAR(theta[0], expected, 1e-13) << "step " << i + 1;
    EXPECT_NEAR(first[0], m[i], 1e-15);
    EXPECT_NEAR(second[0], v[i], 1e-15);
  }
}

// A float run of an operation, on double operands: what single precision alone costs.
TEST(Reference, SinglePrecisionStaysNearDouble) {
  std::vector<double> a = normals(12 * 300, 1), b = normals(300 * 7, 2), c(12 * 7);
  std::vector<float> af(a.begin(), a.end()), bf(b.begin(), b.end()), cf(c.size());
  a.assign(af.begin(), af.end());
  b.assign(bf.begin(), bf.end());
  f64().gemm(view(c, {12, 7}), view(a, {12, 300}), view(b, {300, 7}), 1.0f, 0.0f);
  f32().gemm(view(cf, {12, 7}), view(af, {12, 300}), view(bf, {300, 7}), 1.0f, 0.0f);
  for (size_t i = 0; i < c.size(); ++i)
    EXPECT_EQ(cf[i], static_cast<float>(c[i]));  // summed in double
}

}  // namespace
}  // namespace ilora
