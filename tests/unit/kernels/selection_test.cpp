#include "kernels/selection.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/profile.h"

namespace ilora {
namespace {

TEST(KernelSelection, NamesTables) {
  EXPECT_EQ(&KernelSelection("cpu").table(), &cpu_kernels());
  EXPECT_EQ(&KernelSelection("reference").table(), &reference_kernels(DType::kF32));
  EXPECT_EQ(KernelSelection("check").table().name, std::string("check"));
  EXPECT_ANY_THROW(KernelSelection("chuck"));
}

TEST(KernelSelection, MayBeTimedWhateverItIs) {
  const Buffer x(DType::kF32, {7});
  for (const char* name : {"cpu", "reference", "check"}) {
    const KernelSelection selection(name);
    ProfiledKernels profile(selection.table());
    profile.table().fill(x.view(), 2.0);
    profile.clear();
    EXPECT_EQ(profile.table().dot(x.view(), x.view()), 28.0);
    ASSERT_EQ(profile.entries().size(), 1u) << name;
    EXPECT_STREQ(profile.entries().front().operation, "dot");
  }
}

}  // namespace
}  // namespace ilora
