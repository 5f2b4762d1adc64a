// The memory plan counts what each method says that it keeps (Method::footprint).
#include <gtest/gtest.h>

#include <map>

#include "session/configuration.h"
#include "tests/run_fixture.h"
#include "train/memory_plan.h"

namespace ilora::testing {
namespace {

ModelFiles tiny_files() {
  return ModelFiles(data_folder("tiny-model"));
}

// Of a run of four tasks.
RunExtent extent(const std::string& method, const Settings& settings = {}) {
  Configuration configuration;
  configuration.set(settings);
  configuration.recipe.method = method;
  const Method& made = configuration.method();
  return {50, 50, 0, made.adapter(configuration.recipe.lora),
          made.footprint(tiny_files().config(), 4)};
}

int64_t planned(const RunExtent& extent) {
  const StepChoice choice = {64, 64, false, WeightStorage::kStored};
  return step_memory(tiny_files(), extent, DType::kF32, choice).total();
}

TEST(Footprint, CountsVectorsOfTheAdaptersLength) {
  const RunExtent seq = extent("seq");
  const int64_t vector = 4 * AdapterLayout(tiny_files().config(), seq.adapter).size();
  // ewc: four anchors of two, the penalty's gradient, the gradients of eight rows.
  // pm: the start of the task, the values before a perturbation, two sums and a task's information,
  // the gradients of eight rows. ogd: sixteen rows' vectors of each task and of the one that ends, and of
  // eight that are measured.
  const std::map<std::string, int64_t> expected = {
      {"seq", 0},   {"er", 0},   {"ilora", 1}, {"one", 5},  {"gem", 3}, {"agem", 1},  {"ewc", 17},
      {"derpp", 0}, {"sure", 1}, {"sfa", 1},   {"slao", 1}, {"pm", 13}, {"olora", 8}, {"ogd", 90}};
  for (const auto& [method, count] : expected) {
    RunExtent own = extent(method);
    own.method.segments = seq.method.segments;
    own.method.losses = {};
    EXPECT_EQ(planned(own) - planned(seq), count * vector) << method;
  }
  EXPECT_EQ(extent("ewc", {"ewc.anchors=online"}).method.vectors, 2 + 1 + 8);
  EXPECT_EQ(extent("gem", {"gem.memory_size=0"}).method.vectors, 0);
}

// Each segment of a pass is filled up: many short ones need more rows than their tokens.
TEST(Footprint, CountsSegments) {
  EXPECT_EQ(extent("gem").method.segments, 3);
  EXPECT_EQ(extent("ewc").method.segments, Run::kSequencesAtOnce);
  RunExtent many = extent("gem");
  many.method.segments = 14;
  EXPECT_GT(planned(many), planned(extent("gem")));
  RunExtent none = extent("gem");
  none.method.segments = 0;  // of a run of one task
  EXPECT_EQ(planned(none), planned(extent("gem"))) << "a step's own segments are always counted";
}

TEST(Footprint, CountsLossesAndSoftPrompts) {
  EXPECT_TRUE(extent("ilora", {"ilora.gamma=0"}).method.losses.empty());
  RunExtent plain = extent("ilora");
  ASSERT_EQ(plain.method.losses.size(), 1U);
  EXPECT_EQ(plain.method.losses[0].kind, LossKind::kConsistency);
  EXPECT_GT(planned(extent("ilora", {"ilora.layers=0,1"})), planned(plain));
  const int64_t with = planned(plain);
  plain.method.losses.push_back({.kind = LossKind::kLogitDistillation, .teacher = 0});
  EXPECT_GT(planned(plain), with);
  plain.method.losses.clear();
  EXPECT_LT(planned(plain), with);
  EXPECT_EQ(extent("pp", {"pp.length=5"}).method.soft_prompts, 4 * 5);
  EXPECT_EQ(extent("l2p").method.soft_prompts, 3 * 5);
}

}  // namespace
}  // namespace ilora::testing
