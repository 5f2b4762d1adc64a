// That each method that trains LoRA task after task does something to the second task's steps, that
// it is naive training where it is switched off, and what it costs: the tokens that it trains on,
// counted.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/method_loop.h"

namespace ilora::testing {
namespace {

// Whether a method trains LoRA task after task, so that MethodLoop can set it beside seq: not where
// it takes the steps away, merges the tasks or puts soft prompts in the place of LoRA.
bool trains_lora_in_turn(const std::string& name) {
  if (name == "seq") return false;
  Configuration configuration;
  configuration.set({"method=" + name});
  Method& method = configuration.method();
  const TaskStream stream = method.stream({{"a", {}, 1, 1}, {"b", {}, 1, 2}});
  return stream.size() == 2 && stream.back().steps > 0 &&
         method.adapter(configuration.recipe.lora).prompts.rows == 0;
}

std::vector<std::string> compared_methods() {
  std::vector<std::string> names = all_methods();
  std::erase_if(names, [](const std::string& name) { return !trains_lora_in_turn(name); });
  return names;
}

class Effect : public ::testing::TestWithParam<std::string> {};

TEST_P(Effect, IsSeenInTheSecondTask) {
  MethodLoop seq("seq"), on(GetParam());
  for (MethodLoop* loop : {&seq, &on}) {
    loop->learn(0, 12);
    loop->begin_task(1, 20);
    for (int i = 0; i < 20; ++i) loop->step();
  }
  EXPECT_GT(relative_difference(on.run.fast().values(), seq.run.fast().values()), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Methods, Effect, ::testing::ValuesIn(compared_methods()),
                         [](const auto& method) { return test_name(method.param); });

TEST(OneAdapterPerTask, LearnsTheFirstTaskAsSeqDoes) {
  MethodLoop seq("seq"), one("one");
  for (MethodLoop* loop : {&seq, &one}) loop->learn(0, 12);
  EXPECT_EQ(one.fast(), seq.fast());
}

// A method whose effect comes from earlier tasks, and the setting with which it is `seq`.
struct Case {
  std::string method;
  Settings off;

  friend std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.method; }
};

class SwitchedOff : public ::testing::TestWithParam<Case> {};

TEST_P(SwitchedOff, IsSeqAsItIsInTheFirstTask) {
  const Case& c = GetParam();
  MethodLoop seq("seq"), on(c.method), off(c.method, c.off);
  for (MethodLoop* loop : {&seq, &on, &off}) loop->learn(0, 12);
  EXPECT_EQ(on.fast(), seq.fast()) << "the first task has nothing before it";
  for (MethodLoop* loop : {&seq, &off}) loop->begin_task(1, 20);
  for (int i = 0; i < 20; ++i) {
    for (MethodLoop* loop : {&seq, &off}) loop->step();
  }
  EXPECT_EQ(off.fast(), seq.fast());
}

INSTANTIATE_TEST_SUITE_P(
    Methods, SwitchedOff,
    ::testing::Values(Case{"er", {"er.ratio=0"}}, Case{"ewc", {"ewc.lambda=0"}},
                      Case{"lwf", {"lwf.weight=0"}}, Case{"gem", {"gem.memory_size=0"}},
                      Case{"agem", {"agem.memory_size=0"}}, Case{"ilora", {"ilora.ratio=0"}},
                      Case{"derpp", {"derpp.alpha=0", "derpp.beta=0"}},
                      Case{"sure", {"sure.ratio=0"}}, Case{"sfa", {"sfa.beta=0"}},
                      Case{"slao", {"slao.orthonormal=false"}}, Case{"ogd", {"ogd.rows=0"}},
                      Case{"pm", {"pm.coefficient=1", "pm.perturb=0"}}),
    ::testing::PrintToStringParamName());

int64_t tokens_of(const std::vector<Row>& rows) {
  return std::accumulate(rows.begin(), rows.end(), int64_t{0},
                         [](int64_t sum, const Row& row) { return sum + row.length(); });
}

// Beside the planned pass, which for these methods is seq's.
TEST(Cost, IsTheTokensThatTheDescriptionSays) {
  struct Expected {
    const char* method;
    Settings settings;
    bool between;      // the task's rows once, when it ends
    int64_t per_task;  // kept rows of each earlier task in each step, as often
  };
  for (const Expected& e :
       {Expected{"seq", {}, false, 0}, Expected{"ewc", {}, true, 0},
        Expected{"gem", {"gem.draw=0"}, false, 1}, Expected{"agem", {"agem.draw=0"}, false, 1}}) {
    SCOPED_TRACE(e.method);
    MethodLoop loop(e.method, e.settings);
    for (int64_t task = 0; task < 3; ++task) {
      loop.begin_task(task, 3);
      int64_t earlier = 0;
      for (int64_t t = 0; t < task; ++t) earlier += tokens_of(loop.rows[static_cast<size_t>(t)]);
      for (int i = 0; i < 3; ++i) {
        loop.step();
        EXPECT_EQ(loop.run.take_extra_tokens(), e.per_task * earlier);
      }
      loop.method.end_task(loop.run);
      EXPECT_EQ(loop.run.take_extra_tokens(),
                e.between ? tokens_of(loop.rows[static_cast<size_t>(task)]) : 0);
    }
  }
}

// A step of `gem` and `agem` leaves what their projection promises, seen through the method: the
// products with gradients of the kept rows, measured here once more.
TEST(Constraints, HoldAfterAStepsProjection) {
  for (const std::string method : {"gem", "agem"}) {
    MethodLoop loop(method, {method + ".draw=0", "lora.dropout=0.2"});
    loop.learn(0, 12);
    loop.learn(1, 12);
    loop.begin_task(2, 12);
    int violated = 0;
    for (int i = 0; i < 12; ++i) {
      std::vector<RowGroup> groups(method == "gem" ? 2 : 1);
      for (size_t task = 0; task < 2; ++task) {
        RowGroup& group = groups[std::min(task, groups.size() - 1)];
        for (const Row& row : loop.rows[task]) group.rows.push_back(&row);
      }
      std::vector<Buffer> gradients;
      for (RowGroup& group : groups) {
        gradients.emplace_back(DType::kF32,
                               std::initializer_list<int64_t>{loop.run.fast().layout().size()});
        group.gradient = gradients.back().view();
      }
      loop.run.gradients(groups);  // at the values that the step starts from
      loop.step();
      violated += loop.run.reported().at("violated") > 0 ? 1 : 0;
      for (const Buffer& memory : gradients) {
        const auto g = values_of(memory.view());
        double product = 0, a = 0, b = 0;
        for (size_t j = 0; j < g.size(); ++j) {
          const auto x = static_cast<double>(g[j]),
                     y = static_cast<double>(loop.edited_gradient[j]);
          product += x * y;
          a += x * x;
          b += y * y;
        }
        EXPECT_GE(product, -1e-5 * std::sqrt(a * b)) << method << " step " << i;
      }
      EXPECT_EQ(loop.edited_gradient == loop.plain_gradient,
                loop.run.reported().at("violated") == 0);
    }
    EXPECT_GT(violated, 0) << "nothing was tested";
  }
}

}  // namespace
}  // namespace ilora::testing
