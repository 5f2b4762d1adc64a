// The profiling table: the wrapped table's results, and an account of every call.
#include "kernels/profile.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "tests/unit/kernels/op_cases.h"

namespace ilora {
namespace {

const Kernels& reference() {
  return reference_kernels(DType::kF32);
}

const ProfileEntry& only_entry() {
  EXPECT_EQ(profile_entries().size(), 1u);
  return profile_entries().front();
}

// A Kernels is two words and then one pointer per operation: none may be passed on untimed.
TEST(Profile, EveryOperationIsWrapped) {
  constexpr size_t kWords = sizeof(Kernels) / sizeof(void*);
  std::array<void*, kWords> wrapped{}, plain{};
  std::memcpy(wrapped.data(), &profile_kernels(reference()), sizeof(Kernels));
  std::memcpy(plain.data(), &reference(), sizeof(Kernels));
  for (size_t i = 2; i < kWords; ++i) EXPECT_NE(wrapped[i], plain[i]) << "operation " << i - 2;
}

TEST(Profile, CountsProductsByTheirShape) {
  const Kernels& k = profile_kernels(reference());
  const Buffer a(DType::kF32, {6, 4}), b(DType::kF32, {3, 4}), c(DType::kF32, {6, 3});
  k.fill(a.view(), 2.0);
  k.fill(b.view(), 0.5);
  clear_profile();
  k.gemm(c.view(), a.view(), b.view().transposed(), 1.0f, 0.0f);
  EXPECT_EQ(c.ptr<float>()[17], 4.0f);
  k.gemm(c.view().rows(0, 2), a.view().rows(0, 2), b.view().transposed(), 1.0f, 0.0f);

  const ProfileEntry& e = only_entry();  // however many rows
  EXPECT_STREQ(e.operation, "gemm");
  EXPECT_EQ(e.gemm, (GemmClass{0, 3, 4, false, true}));
  EXPECT_EQ(e.calls, 2);
  EXPECT_DOUBLE_EQ(e.flops, 2.0 * (6 + 2) * 3 * 4);
  EXPECT_DOUBLE_EQ(e.bytes, 4.0 * (18 + 24 + 12 + 6 + 8 + 12));
  EXPECT_GT(e.seconds, 0.0);

  // The gradient of a weight: rows are summed over, so the class has no k.
  clear_profile();
  const Buffer g(DType::kF32, {3, 4});
  k.gemm(g.view(), c.view().transposed(), a.view(), 1.0f, 1.0f);
  EXPECT_EQ(only_entry().gemm, (GemmClass{3, 4, 0, true, false}));
}

TEST(Profile, CountsAttentionUnderTheMask) {
  const Kernels& k = profile_kernels(reference());
  const Buffer q(DType::kF32, {5, 2, 4}), key(DType::kF32, {7, 1, 4}), lse(DType::kF32, {5, 2}),
      o(DType::kF32, {5, 2, 4});
  clear_profile();
  // Three queries that see 1, 2 and 3 keys; two that see 3 and 4.
  const std::array<AttentionSpan, 2> spans = {{{0, 3, 0, 3}, {3, 2, 3, 4}}};
  k.attention(o.view(), lse.view(), q.view(), key.view(), key.view(), spans);
  EXPECT_DOUBLE_EQ(only_entry().flops, 2.0 * 2 * (1 + 2 + 3 + 3 + 4) * 2 * 4);
}

TEST(Profile, AnErrorPassesThrough) {
  const Kernels& k = profile_kernels(reference());
  const Buffer a(DType::kF32, {2, 3}), c(DType::kF32, {2, 2});
  EXPECT_ANY_THROW(k.gemm(c.view(), a.view(), a.view(), 1.0f, 0.0f));
}

}  // namespace
}  // namespace ilora
