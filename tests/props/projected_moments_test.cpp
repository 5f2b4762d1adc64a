// gem, agem and ogd with the second moment of AdamW taken from the raw gradient: the steps against AdamW in
// double, whose first moment takes the projected gradient.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/method_loop.h"

namespace ilora::testing {
namespace {

double norm_of(const std::vector<float>& values) {
  double sum = 0;
  for (const float x : values) sum += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(sum);
}

class ProjectedMoments : public ::testing::TestWithParam<const char*> {};

TEST_P(ProjectedMoments, AreTheProjectedGradientsAndTheRawOnes) {
  const std::string name = GetParam();
  MethodLoop loop(name, {name + ".moments=raw"}), plain(name);
  for (MethodLoop* each : {&loop, &plain}) each->learn(0, 12);
  EXPECT_EQ(loop.fast(), plain.fast()) << "nothing is projected in the first task";
  for (MethodLoop* each : {&loop, &plain}) each->begin_task(1, 16);

  const std::vector<float> start = loop.fast();
  std::vector<double> theta(start.begin(), start.end()), m(start.size()), v(start.size());
  const Recipe& recipe = loop.tiny.recipe();
  int projected = 0;
  for (int t = 1; t <= 16; ++t) {
    loop.step();
    plain.step();
    if (loop.edited_gradient != loop.plain_gradient) ++projected;
    const double norm = norm_of(loop.edited_gradient);
    const double factor = norm > recipe.clip ? recipe.clip / (norm + 1e-6) : 1.0;
    for (size_t i = 0; i < theta.size(); ++i) {
      const double first = factor * static_cast<double>(loop.edited_gradient[i]);
      const double raw = factor * static_cast<double>(loop.plain_gradient[i]);
      m[i] = recipe.beta1 * m[i] + (1 - recipe.beta1) * first;
      v[i] = recipe.beta2 * v[i] + (1 - recipe.beta2) * raw * raw;
      const double root = std::sqrt(v[i] / (1 - std::pow(recipe.beta2, t))) + recipe.epsilon;
      theta[i] -= 0.02 * m[i] / (1 - std::pow(recipe.beta1, t)) / root;
    }
  }
  EXPECT_GT(projected, 2) << "else nothing was tested";
  const std::vector<float> fast = loop.fast();
  double apart = 0, length = 0;
  for (size_t i = 0; i < theta.size(); ++i) {
    apart += std::pow(static_cast<double>(fast[i]) - theta[i], 2);
    length += std::pow(theta[i] - static_cast<double>(start[i]), 2);
  }
  EXPECT_LT(std::sqrt(apart / length), 1e-3);
  EXPECT_NE(fast, plain.fast());
}

INSTANTIATE_TEST_SUITE_P(Methods, ProjectedMoments, ::testing::Values("gem", "agem", "ogd"),
                         [](const auto& method) { return std::string(method.param); });

}  // namespace
}  // namespace ilora::testing
