// The profiling table: the wrapped table's results, and an account of every call.
#include "kernels/profile.h"

#include <gtest/gtest.h>

#include <array>
#include <type_traits>

#include "kernels/operations.h"

namespace ilora {
namespace {

const Kernels& reference() {
  return reference_kernels(DType::kF32);
}

struct Failed {};

// Calls with empty arguments, and an operation that does nothing but fail.
template <auto kMember>
struct Empty;
template <class R, class... Args, Op<R(Args...)> Kernels::*kMember>
struct Empty<kMember> {
  static R fail(Args...) { throw Failed(); }
  static void call(const Kernels& table) { (table.*kMember)(std::remove_cvref_t<Args>()...); }
};

const ProfileEntry& only_entry(const ProfiledKernels& profile) {
  EXPECT_EQ(profile.entries().size(), 1u);
  return profile.entries().front();
}

// None may be passed on untimed.
TEST(Profile, EveryOperationIsWrapped) {
  Kernels failing;
  failing.name = "failing";
  for_each_operation([&]<auto kMember>(const Operation<kMember>&) {
    failing.*kMember = Empty<kMember>::fail;
  });
  ProfiledKernels profile(failing);
  for_each_operation([&]<auto kMember>(const Operation<kMember>& row) {
    EXPECT_THROW(Empty<kMember>::call(profile.table()), Failed) << row.name;
    ASSERT_FALSE(profile.entries().empty()) << row.name;
    EXPECT_STREQ(profile.entries().back().operation, row.name);
  });
  EXPECT_EQ(profile.entries().size(), kOperationCount);
}

TEST(Profile, CountsProductsByTheirShape) {
  ProfiledKernels profile(reference());
  const Kernels& k = profile.table();
  const Buffer a(DType::kF32, {6, 4}), b(DType::kF32, {3, 4}), c(DType::kF32, {6, 3});
  k.fill(a.view(), 2.0);
  k.fill(b.view(), 0.5);
  profile.clear();
  k.gemm(c.view(), a.view(), b.view().transposed(), 1.0f, 0.0f);
  EXPECT_EQ(c.ptr<float>()[17], 4.0f);
  k.gemm(c.view().rows(0, 2), a.view().rows(0, 2), b.view().transposed(), 1.0f, 0.0f);

  const ProfileEntry& e = only_entry(profile);  // however many rows
  EXPECT_STREQ(e.operation, "gemm");
  EXPECT_EQ(e.gemm, (GemmClass{0, 3, 4, false, true}));
  EXPECT_EQ(e.calls, 2);
  EXPECT_DOUBLE_EQ(e.flops, 2.0 * (6 + 2) * 3 * 4);
  EXPECT_DOUBLE_EQ(e.bytes, 4.0 * (18 + 24 + 12 + 6 + 8 + 12));
  EXPECT_GT(e.seconds, 0.0);

  // The gradient of a weight: rows are summed over, so the class has no k.
  profile.clear();
  const Buffer g(DType::kF32, {3, 4});
  k.gemm(g.view(), c.view().transposed(), a.view(), 1.0f, 1.0f);
  EXPECT_EQ(only_entry(profile).gemm, (GemmClass{3, 4, 0, true, false}));
}

TEST(Profile, CountsAttentionUnderTheMask) {
  ProfiledKernels profile(reference());
  const Kernels& k = profile.table();
  const Buffer q(DType::kF32, {5, 2, 4}), key(DType::kF32, {7, 1, 4}), lse(DType::kF32, {5, 2}),
      o(DType::kF32, {5, 2, 4});
  profile.clear();
  // Three queries that see 1, 2 and 3 keys; two that see 3 and 4.
  const std::array<AttentionSpan, 2> spans = {{{0, 3, 0, 3}, {3, 2, 3, 4}}};
  k.attention(o.view(), lse.view(), q.view(), key.view(), key.view(), spans);
  EXPECT_DOUBLE_EQ(only_entry(profile).flops, 2.0 * 2 * (1 + 2 + 3 + 3 + 4) * 2 * 4);
  profile.clear();
  k.attention(o.view(), lse.view(), q.view(), key.view(), key.view(), {spans, 2});
  EXPECT_DOUBLE_EQ(only_entry(profile).flops, 2.0 * 2 * (1 + 2 + 2 + 2 + 2) * 2 * 4);
}

TEST(Profile, TwoInOneProcessAreIndependent) {
  ProfiledKernels first(reference()), second(cpu_kernels());
  const Buffer x(DType::kF32, {4});
  first.table().fill(x.view(), 1.0);
  second.table().scale(x.view(), 2.0);
  second.table().scale(x.view(), 2.0);
  EXPECT_STREQ(only_entry(first).operation, "fill");
  EXPECT_EQ(only_entry(first).calls, 1);
  EXPECT_STREQ(only_entry(second).operation, "scale");
  EXPECT_EQ(only_entry(second).calls, 2);
  first.clear();
  EXPECT_EQ(only_entry(second).calls, 2);
  EXPECT_EQ(x.ptr<float>()[3], 4.0f);
}

// One profile of another: both see every call.
TEST(Profile, WrapsAnyTable) {
  ProfiledKernels inner(reference()), outer(inner.table());
  const Buffer x(DType::kF32, {4});
  outer.table().fill(x.view(), 1.0);
  EXPECT_EQ(only_entry(inner).calls, 1);
  EXPECT_GE(only_entry(outer).seconds, only_entry(inner).seconds);
}

TEST(Profile, AnErrorPassesThrough) {
  ProfiledKernels profile(reference());
  const Kernels& k = profile.table();
  const Buffer a(DType::kF32, {2, 3}), c(DType::kF32, {2, 2});
  EXPECT_ANY_THROW(k.gemm(c.view(), a.view(), a.view(), 1.0f, 0.0f));
}

}  // namespace
}  // namespace ilora
