#include "kernels/op.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

using Weigh = Op<double(int, const double&)>;

double weigh(int count, const double& each) {
  return count * each;
}

struct Scale {
  double offset = 0;
  int calls = 0;
};
double weigh_on(Scale& scale, int count, const double& each) {
  ++scale.calls;
  return scale.offset + count * each;
}

TEST(Op, CallsAFunctionOrALambda) {
  Weigh op = weigh;
  EXPECT_EQ(op(3, 0.5), 1.5);
  op = [](int count, const double&) { return -1.0 * count; };
  EXPECT_EQ(op(3, 0.5), -3.0);
}

TEST(Op, TellsWhetherItIsEmpty) {
  Weigh op;
  EXPECT_FALSE(op);
  op = weigh;
  EXPECT_TRUE(op);
}

TEST(Op, HandsItsContextToTheFunction) {
  Scale first{.offset = 100}, second{.offset = 200};
  Weigh a, b;
  a.bind<weigh_on>(first);
  b.bind<weigh_on>(second);
  const Weigh copy = a;  // of the same context
  EXPECT_EQ(a(1, 2.0), 102.0);
  EXPECT_EQ(copy(1, 3.0), 103.0);
  EXPECT_EQ(b(1, 2.0), 202.0);
  EXPECT_EQ(first.calls, 2);
  EXPECT_EQ(second.calls, 1);
}

TEST(Op, ForgetsItsContextWhenItIsReplaced) {
  Scale scale;
  Weigh op;
  op.bind<weigh_on>(scale);
  op = weigh;
  EXPECT_EQ(op(3, 0.5), 1.5);
  EXPECT_EQ(scale.calls, 0);
}

// A table of functions is made when the program is compiled. (That one is not empty GCC 12 does not
// see then under the undefined-behaviour sanitizer.)
constexpr Weigh kConstant = weigh;
TEST(Op, MayBeAConstant) {
  EXPECT_TRUE(kConstant);
  EXPECT_FALSE(Weigh());
}

}  // namespace
}  // namespace ilora
