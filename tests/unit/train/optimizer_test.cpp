// What becomes of AdamW's moments between tasks, against the equations in double.
#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace ilora {
namespace {

constexpr double kRate = 0.01, kDecay = 0.1;

// AdamW of one value, with a count of its own for each moment.
struct Reference {
  double theta = 0.5, m = 0, v = 0;
  int m_count = 0, v_count = 0;

  void step(double g, const Recipe& r) {
    m = r.beta1 * m + (1 - r.beta1) * g;
    v = r.beta2 * v + (1 - r.beta2) * g * g;
    const double m_hat = m / (1 - std::pow(r.beta1, ++m_count));
    const double v_hat = v / (1 - std::pow(r.beta2, ++v_count));
    theta = theta * (1 - kRate * kDecay) - kRate * m_hat / (std::sqrt(v_hat) + r.epsilon);
  }
};

// Two tasks of seven steps. `resumed`: the second is left after three steps, and goes on in another
// optimiser that was given the state.
void follow(const std::string& at_task, bool resumed) {
  Recipe recipe;
  recipe.weight_decay = kDecay;
  recipe.reset_optimizer = at_task;
  const Kernels& kernels = reference_kernels(DType::kF32);
  Optimizer first(kernels, recipe, 1), second(kernels, recipe, 1);
  Optimizer* optimizer = &first;
  const Buffer theta(DType::kF32, {1}), g(DType::kF32, {1});
  theta.ptr<float>()[0] = 0.5F;
  Reference expected;
  for (int task = 0; task < 2; ++task) {
    optimizer->begin_task(false, 0);
    if (at_task != "false") expected.m = expected.m_count = 0;
    if (at_task == "true") expected.v = expected.v_count = 0;
    for (int i = 0; i < 7; ++i) {
      if (resumed && task == 1 && i == 3) {
        struct Copy : StateVisitor {
          bool saves = true;
          std::map<std::string, int64_t> counts;
          std::map<std::string, float> values;
          void value(const std::string& name, int64_t& x) override {
            saves ? void(counts[name] = x) : void(x = counts.at(name));
          }
          void count(const std::string&, int64_t&) override {}
          void value(const std::string&, double&) override {}
          void vector(const std::string& name, Tensor flat) override {
            float& x = *flat.ptr<float>();
            saves ? void(values[name] = x) : void(x = values.at(name));
          }
          void rows(const std::string&, std::vector<Row>&) override {}
        } copy;
        first.visit(copy);
        copy.saves = false;
        second.visit(copy);
        optimizer = &second;
        optimizer->begin_task(false, i);
      }
      const double gradient = 0.3 * std::cos(i + 2.0 * task) + (task == 0 ? 2.0 : 0.1);
      g.ptr<float>()[0] = static_cast<float>(gradient);
      optimizer->step(theta.view(), g.view(), kRate);
      expected.step(gradient, recipe);
      ASSERT_NEAR(theta.ptr<float>()[0], expected.theta, 2e-6)
          << at_task << ", task " << task << ", step " << i;
    }
  }
}

TEST(OptimizerAtATask, BeginsAnewKeepsAllOrKeepsTheSecondMoment) {
  for (const char* at_task : {"true", "false", "first"}) {
    for (const bool resumed : {false, true}) follow(at_task, resumed);
  }
}

TEST(OptimizerAtATask, AMethodThatBeginsAnewKeepsNothing) {
  Recipe recipe;
  recipe.reset_optimizer = "false";
  const Kernels& kernels = reference_kernels(DType::kF32);
  Optimizer used(kernels, recipe, 1), fresh(kernels, recipe, 1);
  const Buffer g(DType::kF32, {1}), a(DType::kF32, {1}), b(DType::kF32, {1});
  g.ptr<float>()[0] = 2;
  for (int i = 0; i < 5; ++i) used.step(a.view(), g.view(), kRate);
  used.begin_task(true, 0);
  kernels.fill(a.view(), 0.0);
  g.ptr<float>()[0] = -0.1F;
  used.step(a.view(), g.view(), kRate);
  fresh.step(b.view(), g.view(), kRate);
  EXPECT_EQ(a.ptr<float>()[0], b.ptr<float>()[0]);
}

}  // namespace
}  // namespace ilora
