// The fast CPU table against the reference: every operation over op_cases.h, the same bits on any
// number of threads, and all of it once more in a child process that is held to AVX2.
#include "kernels/cpu/cpu.h"

#include <gtest/gtest.h>
#include <hwy/highway.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "base/random.h"
#include "kernels/cpu/bf16_dot.h"
#include "tests/sanitizer.h"
#include "tests/unit/kernels/op_cases.h"

namespace ilora {
namespace {

Buffer normal(DType dtype, std::initializer_list<int64_t> dims, uint64_t seed,
              double amplitude = 1.0) {
  Buffer buffer(dtype, dims);
  const Random random(seed, Stream::kTest);
  const Tensor all = buffer.view();
  for (int64_t i = 0; i < all.size(); ++i)
    test::set_element(all, i, amplitude * random.normal(static_cast<uint64_t>(i)));
  return buffer;
}

class Threads {  // restores the thread count
 public:
  explicit Threads(int count) : before_(max_threads()) { set_threads(count); }
  ~Threads() { set_threads(before_); }

 private:
  int before_;
};

// The fast table, run on so many threads.
class OnThreads {
 public:
  explicit OnThreads(int count) : count_(count) {
    for_each_operation([&]<auto kMember>(const Operation<kMember>&) {
      (table_.*kMember).template bind<With<kMember>::call>(*this);
    });
  }
  OnThreads(const OnThreads&) = delete;
  const Kernels& table() const { return table_; }

 private:
  template <auto kMember>
  struct With;
  template <class R, class... Args, Op<R(Args...)> Kernels::*kMember>
  struct With<kMember> {
    static R call(const OnThreads& self, Args... args) {
      const Threads threads(self.count_);
      return (cpu_kernels().*kMember)(args...);
    }
  };

  int count_;
  Kernels table_;
};

TEST(CpuTable, RunsTheTargetThatWasAskedFor) {
  const CpuFeatures features = cpu_features();
  const char* wanted = std::getenv("ILORA_TARGET");
  if (wanted != nullptr) {
    EXPECT_STREQ(features.target, wanted);
  }
  EXPECT_NE(std::string(features.target), "Unknown");
  if (std::string(features.target) == "AVX2") {
    EXPECT_FALSE(features.bf16_possible);
    EXPECT_FALSE(features.bf16_native);
    EXPECT_FALSE(cpu::bf16_dot_native());
    Buffer a = normal(DType::kF32, {64, 64}, 1), b = normal(DType::kF32, {64, 64}, 2),
           c(DType::kF32, {64, 64});
    EXPECT_TRUE(
        cpu::gemm_implementation(c.view(), a.view(), b.view(), 1, 0).starts_with("gemm:jit"));
  }
  EXPECT_TRUE(features.bf16_possible || !features.bf16_native);
  EXPECT_TRUE(features.bf16_native || !cpu::bf16_dot_native());
}

TEST(CpuTable, EqualsReference) {
  const auto errors =
      test::compare_tables(cpu_kernels(), reference_kernels(DType::kF32), DType::kBF16);
  for (const test::OpError& e : errors) {
    EXPECT_LE(e.max_error, operation_tolerance(e.op, e.input, e.output))
        << e.op << " " << dtype_name(e.input) << " to " << dtype_name(e.output) << ": " << e.worst;
  }
}

TEST(CpuTable, SameBitsOnAnyNumberOfThreads) {
  const OnThreads one(1), two(2), five(5);
  for (const OnThreads* many : {&two, &five}) {
    for (const test::OpError& e : test::compare_tables(many->table(), one.table(), DType::kBF16))
      EXPECT_EQ(e.max_error, 0) << e.op << ": " << e.worst;
  }
}

// The products of a training step: x W^T, dY W, and those of LoRA, which add in place.
struct Product {
  const char* name;
  int64_t m, n, k;
  bool ta, tb;
  float beta;
};
constexpr Product kProducts[] = {
    {"x Wq^T", 208, 576, 576, false, true, 0},     {"x Wk^T", 208, 192, 576, false, true, 0},
    {"h Wdown^T", 64, 576, 1536, false, true, 0},  {"dY Wup", 208, 576, 1536, false, false, 1},
    {"x A^T", 208, 8, 576, false, true, 0},        {"h Bt", 208, 576, 8, false, false, 1},
    {"dBt", 8, 576, 208, true, false, 1},          {"dA", 8, 576, 2048, true, false, 1},
    {"dh A", 208, 576, 8, false, false, 1},        {"head", 16, 4096, 576, false, true, 0},
    {"dlogits W", 16, 576, 4096, false, false, 0}, {"dBt, long", 8, 192, 2048, true, false, 1},
    {"dBt, longer", 8, 192, 4096, true, false, 1}, {"dA, wide", 128, 192, 3072, true, false, 0},
    {"dA, uneven", 8, 576, 2500, true, false, 1}};

struct ProductData {
  Buffer a, b, c;
  Tensor at, bt;
  ProductData(const Product& p, DType in, DType out)
      : a(p.ta ? normal(in, {p.k, p.m}, 1) : normal(in, {p.m, p.k}, 1)),
        b(p.tb ? normal(in, {p.n, p.k}, 2) : normal(in, {p.k, p.n}, 2)),
        c(normal(out, {p.m, p.n}, 3)),
        at(p.ta ? a.view().transposed() : a.view()),
        bt(p.tb ? b.view().transposed() : b.view()) {}
};

double largest_error(const Tensor& x, const Tensor& y) {
  double error = 0, largest = 0;
  for (int64_t i = 0; i < x.size(); ++i) {
    largest = std::max(largest, std::abs(test::element(y, i)));
    error = std::max(error, std::abs(test::element(x, i) - test::element(y, i)));
  }
  return error / largest;
}

TEST(CpuGemm, TrainingShapesHaveTheSameBitsOnAnyNumberOfThreads) {
  for (const Product& p : kProducts) {
    for (const DType in : {DType::kF32, DType::kBF16}) {
      std::string first;
      for (const int count : {1, 2, 3, 8, 12}) {
        const ProductData d(p, in, DType::kF32);
        const Threads threads(count);
        cpu_kernels().gemm(d.c.view(), d.at, d.bt, 1.5f, p.beta);
        const std::string bytes(static_cast<const char*>(d.c.view().data),
                                static_cast<size_t>(d.c.view().bytes()));
        if (count == 1) first = bytes;
        EXPECT_TRUE(bytes == first)
            << p.name << " " << dtype_name(in) << " on " << count << " threads";
      }
    }
  }
}

// oneDNN 2 calls it "brg:avx512_core", oneDNN 3 "brg_matmul:avx512_core".
bool is_brgemm(const std::string& code) {
  return code.starts_with("brg") && code.find(":avx512") != code.npos;
}

TEST(CpuGemm, TrainingShapesRunFastCode) {
  for (const Product& p : kProducts) {
    const ProductData d(p, DType::kF32, DType::kF32);
    const std::string code = cpu::gemm_implementation(d.c.view(), d.at, d.bt, 1, p.beta);
    EXPECT_TRUE(is_brgemm(code) || code.starts_with("gemm:jit")) << p.name << ": " << code;
    if (cpu_features().bf16_possible) {
      EXPECT_TRUE(is_brgemm(code)) << p.name << ": " << code;
    }
  }
}

// Both routes of bf16 products accumulate in f32, so they agree far below a bf16 rounding.
TEST(CpuGemm, BothBf16RoutesAgree) {
  if (!cpu_features().bf16_possible) GTEST_SKIP() << "oneDNN has no bf16 products on this CPU";
  for (const Product& p : kProducts) {
    for (const DType out : {DType::kF32, DType::kBF16}) {
      const ProductData x(p, DType::kBF16, out), y(p, DType::kBF16, out);
      cpu::gemm_with(cpu::Bf16Route::kOneDnn, x.c.view(), x.at, x.bt, 0.5f, p.beta);
      cpu::gemm_with(cpu::Bf16Route::kExpand, y.c.view(), y.at, y.bt, 0.5f, p.beta);
      EXPECT_LE(largest_error(x.c.view(), y.c.view()), out == DType::kF32 ? 2e-6 : 1.0 / 128)
          << p.name;
    }
  }
}

TEST(CpuGemm, ExpandsLargeProductsBlockByBlock) {
  // More rows, columns and depth than one block of 2048 each, in turn.
  for (const Product& p : {Product{"rows", 2100, 24, 40, true, false, 1},
                           Product{"columns", 24, 2100, 40, false, true, 1},
                           Product{"depth", 24, 40, 4200, false, false, 0}}) {
    for (const DType out : {DType::kF32, DType::kBF16}) {
      const ProductData x(p, DType::kBF16, out), y(p, DType::kBF16, out);
      cpu::gemm_with(cpu::Bf16Route::kExpand, x.c.view(), x.at, x.bt, 1.0f, p.beta);
      reference_kernels(DType::kF32).gemm(y.c.view(), y.at, y.bt, 1.0f, p.beta);
      EXPECT_LE(largest_error(x.c.view(), y.c.view()), out == DType::kF32 ? 2e-6 : 1.0 / 128)
          << p.name;
    }
  }
}

TEST(CpuGemm, RoundsF32OperandsToBf16Results) {
  const Product p{"f32 to bf16", 33, 100, 64, false, true, 1};
  const ProductData x(p, DType::kF32, DType::kBF16), y(p, DType::kF32, DType::kBF16);
  cpu_kernels().gemm(x.c.view(), x.at, x.bt, 1.0f, 1.0f);
  reference_kernels(DType::kF32).gemm(y.c.view(), y.at, y.bt, 1.0f, 1.0f);
  EXPECT_LE(largest_error(x.c.view(), y.c.view()), 1.0 / 128);
}

TEST(CpuGemm, KeepsABoundedNumberOfPrimitives) {
  Buffer a(DType::kF32, {600, 4}), b(DType::kF32, {4, 4}), c(DType::kF32, {600, 4});
  for (int64_t m = 1; m <= 600; ++m)
    cpu_kernels().gemm(c.view().rows(0, m), a.view().rows(0, m), b.view(), 1, 0);
  EXPECT_LE(cpu::gemm_primitives(), 512u);
  EXPECT_GE(cpu::gemm_primitives(), 500u);
}

// {window, soft cap}
class CpuAttention : public ::testing::TestWithParam<std::pair<int64_t, double>> {};

// Several tiles, odd lengths, a width that is no multiple of a vector. Where o is BF16 and the CPU
// multiplies pairs, operands behind the scores are rounded.
TEST_P(CpuAttention, LongSequencesEqualReferenceOnAnyNumberOfThreads) {
  const int64_t n = 333, heads = 3, kv = 1;
  const std::vector<AttentionSpan> list = {{0, 200, 0, 200}, {200, 133, 200, 133}};
  const AttentionSpans spans(list, GetParam().first, GetParam().second);
  for (const int64_t width : {24, 64}) {
    const Buffer q = normal(DType::kF32, {n, heads, width}, 1, 24.0 / static_cast<double>(width)),
                 k = normal(DType::kF32, {n, kv, width}, 2, 2.0),
                 v = normal(DType::kF32, {n, kv, width}, 3),
                 d = normal(DType::kF32, {n, heads, width}, 4);
    for (const DType out : {DType::kF32, DType::kBF16}) {
      using Results = std::vector<Buffer>;  // o, lse, dq, dk, dv
      const auto run = [&](const Kernels& table, int threads) {
        const Threads scope(threads);
        Results r;
        r.emplace_back(out, std::initializer_list<int64_t>{n, heads, width});
        r.emplace_back(DType::kF32, std::initializer_list<int64_t>{n, heads});
        for (const int64_t h : {heads, kv, kv})
          r.emplace_back(DType::kF32, std::initializer_list<int64_t>{n, h, width});
        table.attention(r[0].view(), r[1].view(), q.view(), k.view(), v.view(), spans);
        table.attention_backward(r[2].view(), r[3].view(), r[4].view(), d.view(), q.view(),
                                 k.view(), v.view(), r[0].view(), r[1].view(), spans);
        return r;
      };
      const Results expected = run(reference_kernels(DType::kF32), 2), one = run(cpu_kernels(), 1),
                    many = run(cpu_kernels(), 3);
      for (size_t i = 0; i < one.size(); ++i) {
        const Tensor x = one[i].view(), y = many[i].view();
        const bool exact = out == DType::kF32 || i == 1;
        EXPECT_LE(largest_error(x, expected[i].view()), exact ? 5e-6 : 1.0 / 128)
            << "output " << i << " width " << width << " " << dtype_name(out);
        EXPECT_EQ(std::memcmp(x.data, y.data, static_cast<size_t>(x.bytes())), 0);
      }
      if (out == DType::kBF16) {
        EXPECT_EQ(largest_error(one[4].view(), expected[4].view()) > 1e-5, cpu::bf16_dot_native());
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Masks, CpuAttention,
                         ::testing::Values(std::pair(0, 0.0), std::pair(70, 0.0), std::pair(2, 0.0),
                                           std::pair(64, 2.0), std::pair(0, 20.0)));

TEST(CpuLosses, SurviveExtremeLogitsAndShowNaN) {
  Buffer logits(DType::kF32, {2, 37}), loss(DType::kF32, {2});
  for (int64_t i = 0; i < 37; ++i) logits.ptr<float>()[i] = i == 5 ? 3e4f : -3e4f;
  logits.ptr<float>()[37 + 20] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<int32_t> targets = {5, 3};
  const std::vector<float> scale = {1.0f, 1.0f};
  cpu_kernels().cross_entropy_backward(loss.view(), logits.view(), targets, scale);
  EXPECT_EQ(loss.ptr<float>()[0], 0.0f);
  for (int64_t i = 0; i < 37; ++i) EXPECT_EQ(logits.ptr<float>()[i], 0.0f);
  EXPECT_TRUE(std::isnan(loss.ptr<float>()[1]));
}

// What a teacher does not know has no probability, however it is said, and logits of 1e4 overflow
// nothing.
TEST(CpuLosses, DivergenceSurvivesExtremeLogitsAndShowsNaN) {
  const float inf = std::numeric_limits<float>::infinity();
  Buffer logits(DType::kF32, {3, 37}), teacher(DType::kF32, {3, 37}), loss(DType::kF32, {3});
  for (int64_t i = 0; i < 37; ++i) {
    logits.ptr<float>()[i] = teacher.ptr<float>()[i] = i == 5 ? 1e4f : -1e4f;
    teacher.ptr<float>()[37 + i] = i == 20 ? 0.0f : i % 2 == 0 ? -1e30f : -inf;
  }
  logits.ptr<float>()[2 * 37 + 20] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> scale = {1.0f, 37.0f, 1.0f};
  cpu_kernels().kl_divergence_backward(loss.view(), logits.view(), teacher.view(), 0.5, scale);
  EXPECT_EQ(loss.ptr<float>()[0], 0.0f);
  for (int64_t i = 0; i < 37; ++i) EXPECT_EQ(teacher.ptr<float>()[i], 0.0f);
  EXPECT_NEAR(loss.ptr<float>()[1], std::log(37.0), 1e-6);
  for (int64_t i = 0; i < 37; ++i)
    EXPECT_NEAR(teacher.ptr<float>()[37 + i], i == 20 ? -72.0f : 2.0f, 1e-5) << i;
  EXPECT_TRUE(std::isnan(loss.ptr<float>()[2]));
}

TEST(CpuVectors, RoundToNearestEvenAndKeepNaN) {
  constexpr int64_t kCount = 41;  // whole vectors and a tail
  const uint32_t bits[] = {0x3F808001u, 0x3F808000u, 0x3F818000u, 0x7F800001u,
                           0x7F7FFFFFu, 0xFF800000u, 0x00000001u};
  Buffer x(DType::kF32, {kCount}), y(DType::kBF16, {kCount});
  for (int64_t i = 0; i < kCount; ++i) x.ptr<float>()[i] = std::bit_cast<float>(bits[i % 7]);
  cpu_kernels().convert(y.view(), x.view());
  const uint16_t expected[] = {0x3F81, 0x3F80, 0x3F82, 0x7FC0, 0x7F80, 0xFF80, 0x0000};
  for (int64_t i = 0; i < kCount; ++i) EXPECT_EQ(y.ptr<BFloat16>()[i].bits, expected[i % 7]) << i;
}

TEST(CpuVectors, InterpolationKeepsEqualVectorsEqual) {
  const Buffer fast = normal(DType::kF32, {1003}, 1), slow = normal(DType::kF32, {1003}, 1);
  for (const double lambda : {0.0, 0.1, 0.25, 0.999, 1.0}) {
    cpu_kernels().interpolate(slow.view(), fast.view(), lambda);
    EXPECT_EQ(std::memcmp(slow.view().data, fast.view().data, 1003 * sizeof(float)), 0) << lambda;
  }
}

TEST(CpuProcess, HeldToAvx2EqualsReferenceToo) {
  if (std::getenv("ILORA_TARGET") != nullptr)
    GTEST_SKIP() << "already a process with a target of its own";
  if (!(hwy::SupportedTargets() & HWY_TARGETS & HWY_AVX2))
    GTEST_SKIP() << "no AVX2 on this CPU or in this build";
  char path[4096] = {};
  ASSERT_GT(readlink("/proc/self/exe", path, sizeof(path) - 1), 0);
  const std::string command =
      "ILORA_TARGET=AVX2 '" + std::string(path) +
      "' --gtest_brief=1 "
      "--gtest_filter='CpuTable.*:CpuGemm.Training*:CpuGemm.Expands*:"
      "CpuGemm.Rounds*:*CpuAttention.*:CpuLosses.*:CpuVectors.*:StoredProduct.*'";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST(CpuProcess, RefusesATargetItDoesNotKnow) {
  if (ILORA_THREAD_SANITIZER)
    GTEST_SKIP() << "the sanitizer does not see an exception leave std::call_once";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto ask = [] {
    setenv("ILORA_TARGET", "AVX9", 1);
    try {
      cpu_kernels();
    } catch (const Error& e) {
      std::cerr << e.what();
      std::exit(e.kind() == ErrorKind::kUsage ? 3 : 4);
    }
    std::exit(0);
  };
  EXPECT_EXIT(ask(), testing::ExitedWithCode(3),
              "expected one of AVX3, AVX2, SSE4, SCALAR, got AVX9");
}

}  // namespace
}  // namespace ilora
