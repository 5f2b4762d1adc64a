#include "kernels/selection.h"

#include <gtest/gtest.h>

#include <string>

namespace ilora {
namespace {

TEST(KernelSelection, NamesTables) {
  EXPECT_EQ(&KernelSelection("cpu", false).table(), &cpu_kernels());
  EXPECT_EQ(&KernelSelection("reference", false).table(), &reference_kernels(DType::kF32));
  EXPECT_EQ(KernelSelection("check", false).table().name, std::string("check"));
  EXPECT_ANY_THROW(KernelSelection("chuck", false));
}

TEST(KernelSelection, ProfilesAnyOfThem) {
  const Buffer x(DType::kF32, {7});
  for (const char* name : {"cpu", "reference", "check"}) {
    KernelSelection selection(name, true), plain(name, false);
    for (KernelSelection* s : {&selection, &plain}) {
      s->table().fill(x.view(), 2.0);
      s->clear_profile();
      EXPECT_TRUE(s->profile().empty()) << name;
      EXPECT_EQ(s->table().dot(x.view(), x.view()), 28.0);
    }
    ASSERT_EQ(selection.profile().size(), 1u) << name;
    EXPECT_STREQ(selection.profile().front().operation, "dot");
    EXPECT_TRUE(plain.profile().empty()) << name;
  }
}

}  // namespace
}  // namespace ilora
