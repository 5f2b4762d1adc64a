// `check` against tables with planted faults.
#include "kernels/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/unit/kernels/op_cases.h"

namespace ilora {
namespace {

const Kernels& f32() {
  return reference_kernels(DType::kF32);
}

Tensor view(std::vector<float>& values, std::initializer_list<int64_t> dims) {
  return Tensor(values.data(), DType::kF32, dims);
}

// The reference, but with faults that a test switches on; a check of it.
class Faulty {
 public:
  Faulty() : checked_(make_table(), f32()) {}
  const Kernels& checked() const { return checked_.table(); }

  bool gemm = false, uncovered_row = false, not_a_number = false, dot = false;

 private:
  static void faulty_gemm(Faulty& self, Tensor c, Tensor a, Tensor b, float alpha, float beta) {
    f32().gemm(c, a, b, alpha, beta);
    if (self.gemm) c.ptr<float>()[c.stride[0]] += 0.01f;
  }
  static void faulty_attention(Faulty& self, Tensor o, Tensor lse, Tensor q, Tensor k, Tensor v,
                               AttentionSpans spans) {
    f32().attention(o, lse, q, k, v, spans);
    if (self.uncovered_row) o.ptr<float>()[0] = 0;
  }
  static void faulty_swiglu(Faulty& self, Tensor y, Tensor gate, Tensor up) {
    f32().swiglu(y, gate, up);
    if (self.not_a_number) y.ptr<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  }
  static double faulty_dot(Faulty& self, Tensor x, Tensor y) {
    return f32().dot(x, y) + (self.dot ? 1e-3 : 0.0);
  }

  Kernels make_table() {
    Kernels table = f32();
    table.name = "faulty";
    table.gemm.bind<faulty_gemm>(*this);
    table.attention.bind<faulty_attention>(*this);
    table.swiglu.bind<faulty_swiglu>(*this);
    table.dot.bind<faulty_dot>(*this);
    return table;
  }

  CheckedKernels checked_;
};

template <class Call>
std::string message(Call call) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kNumeric);
    return e.what();
  }
  return "no error";
}

TEST(Check, AcceptsEqualTablesInEveryCase) {
  const CheckedKernels checked(f32(), f32());
  for (const test::OpError& e : test::compare_tables(checked.table(), f32(), DType::kBF16))
    EXPECT_EQ(e.max_error, 0.0) << e.op << ": " << e.worst;
}

TEST(Check, NamesOperationShapesAndElement) {
  std::vector<float> a(6, 1.0f), b(6, 1.0f), c(4);
  Faulty faulty;
  faulty.gemm = true;
  const std::string text = message([&] {
    faulty.checked().gemm(view(c, {2, 2}), view(a, {2, 3}), view(b, {3, 2}), 1.0f, 0.0f);
  });
  EXPECT_THAT(text, ::testing::AllOf(::testing::HasSubstr("[kernel gemm]"),
                                     ::testing::HasSubstr("faulty against reference F32"),
                                     ::testing::HasSubstr("F32 (2, 3), F32 (3, 2)"),
                                     ::testing::HasSubstr("(1, 0)"),
                                     ::testing::HasSubstr("expected 3, got 3.00999")));
}

TEST(Check, SeesRowsThatShouldHaveBeenLeftAlone) {
  std::vector<float> q(6, 1.0f), k(6, 1.0f), v(6, 1.0f), o(6, 7.0f), lse(3, 7.0f);
  const std::vector<AttentionSpan> spans = {{1, 2, 1, 2}};
  Faulty faulty;
  const auto run = [&] {
    faulty.checked().attention(view(o, {3, 1, 2}), view(lse, {3, 1}), view(q, {3, 1, 2}),
                               view(k, {3, 1, 2}), view(v, {3, 1, 2}), spans);
  };
  EXPECT_EQ(message(run), "no error");
  faulty.uncovered_row = true;
  EXPECT_THAT(message(run), ::testing::HasSubstr("expected 7, got 0"));
}

TEST(Check, SeesNanAndWrongNumbers) {
  std::vector<float> gate(4, 1.0f), up(4, 1.0f), y(4);
  Faulty faulty;
  const auto swiglu = [&] {
    faulty.checked().swiglu(view(y, {1, 4}), view(gate, {1, 4}), view(up, {1, 4}));
  };
  const auto dot = [&] { faulty.checked().dot(view(gate, {4}), view(up, {4})); };
  EXPECT_EQ(message(swiglu), "no error");
  EXPECT_EQ(message(dot), "no error");
  faulty.not_a_number = faulty.dot = true;
  EXPECT_THAT(message(swiglu), ::testing::HasSubstr("got nan at (0, 1)"));
  EXPECT_THAT(message(dot), ::testing::HasSubstr("expected 4, got 4.001"));
}

// The wrong operation of one table is found and named while another one is checked beside it.
TEST(Check, TwoTablesAtOnce) {
  std::vector<float> x(4, 1.0f), y(4, 2.0f);
  Faulty first, second;
  first.dot = true;
  const CheckedKernels fast(cpu_kernels(), f32());
  const auto dot_of = [&](const Kernels& table) {
    return message([&] { EXPECT_EQ(table.dot(view(x, {4}), view(y, {4})), 8.0); });
  };
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_THAT(dot_of(first.checked()), ::testing::HasSubstr("[kernel dot]"));
    EXPECT_EQ(dot_of(second.checked()), "no error");
    EXPECT_EQ(dot_of(fast.table()), "no error");
  }
}

TEST(Check, RefusesTablesOfDifferentState) {
  EXPECT_ANY_THROW(CheckedKernels(f32(), reference_kernels(DType::kF64)));
}

// The cases must be able to find a fault: padding overwritten, or one value off.
TEST(Check, SharedCasesFindFaults) {
  Kernels greedy = f32();
  greedy.embed = [](Tensor y, Tensor table, std::span<const int32_t> ids) {
    f32().embed(y, table, ids);
    if (y.stride[0] > y.shape[1]) y.ptr<float>()[y.shape[1]] = 0;  // the gap after the first row
  };
  test::OpCases spill(greedy, f32(), DType::kF32);
  spill.embed();
  ASSERT_EQ(spill.results().size(), 1u);
  EXPECT_TRUE(std::isinf(spill.results()[0].max_error)) << spill.results()[0].worst;
  EXPECT_THAT(spill.results()[0].worst, ::testing::HasSubstr("outside"));
  Kernels wrong_rope = f32();
  wrong_rope.rope = [](Tensor y, Tensor x, Tensor c, Tensor s, std::span<const int32_t> positions,
                       bool) { f32().rope(y, x, c, s, positions, false); };
  wrong_rope.rope_pairs = [](Tensor y, Tensor x, Tensor c, Tensor s,
                             std::span<const int32_t> positions,
                             bool) { f32().rope_pairs(y, x, c, s, positions, false); };
  test::OpCases rotated(wrong_rope, f32(), DType::kBF16);
  rotated.rope();
  for (const test::OpError& e : rotated.results()) {
    EXPECT_GT(e.max_error, operation_tolerance(e.op, e.input, e.output)) << e.op;
  }
}

}  // namespace
}  // namespace ilora
