// What a step holds, added up before it runs, against what it then takes; and which step is chosen.
#include "train/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/engine.h"

namespace ilora {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;

ModelFiles tiny_files() {
  return ModelFiles(ILORA_SOURCE_DIR "/tests/golden/tiny-llama/mixed.gguf");
}

Recipe small_recipe() {
  Recipe recipe;
  recipe.max_tokens = 1024;
  recipe.label_chunk = 256;
  return recipe;
}

int64_t group(const StepMemory& memory, const std::string& name) {
  for (const MemoryGroup& g : memory.groups) {
    if (g.name == name) return g.bytes;
  }
  ADD_FAILURE() << "no group " << name;
  return 0;
}

// The total of a choice, in bytes.
int64_t total(const StepChoice& choice) {
  return step_memory(tiny_files(), {50, 50, 0, {}, {}}, DType::kF32, choice).total();
}

TEST(MemoryPlan, ParsesAmounts) {
  EXPECT_EQ(parse_bytes("4GiB"), int64_t{4} << 30);
  EXPECT_EQ(parse_bytes("1.5M"), 3 << 19);
  EXPECT_EQ(parse_bytes("800"), 800);
  for (const char* wrong : {"", "GiB", "4 GiB", "4TB", "-1G", "0", "nan"})
    EXPECT_THROW(parse_bytes(wrong), Error) << wrong;
}

TEST(MemoryPlan, ActivationsAreThoseThatAFullPassTakes) {
  const ModelFiles files = tiny_files();
  Recipe recipe = small_recipe();
  for (const bool recompute : {false, true}) {
    const Weights weights(files, DType::kF32, DType::kF32, WeightStorage::kStored);
    Engine engine(files.config(), weights, reference_kernels(DType::kF32), {1024, 256, recompute});
    Adapter adapter(files.config(), recipe.lora);
    const Buffer gradient(DType::kF32, {adapter.layout().size()});
    std::vector<Row> rows(16);
    Pass pass;
    pass.segments.resize(2);  // rows that I-LoRA replays, and their copies
    for (Row& row : rows) {
      row.tokens.assign(65, 3);
      row.prompt_length = 1;
      for (Segment& segment : pass.segments) segment.rows.push_back(&row);
    }
    const Loss compared = {.kind = LossKind::kConsistency,
                           .teacher = 1,
                           .parameters = {.layers = {1, files.config().layers}}};
    const Loss distilled = {.kind = LossKind::kLogitDistillation, .teacher = 1};
    pass.segments[0].losses = {{}, compared, distilled};
    pass.segments[0].labels = Labels::kPromptAndAnswer;
    pass.segments[0].uses = {{&adapter, 1.0, gradient.view()}};
    pass.segments[1].uses = {{&adapter, 1.0, {}}};
    PassReport report;
    engine.run(pass, count_denominators(pass), 1, report);

    const StepMemory memory =
        step_memory(files, {64, 64, 0, {}, {.losses = {compared, distilled}}}, DType::kF32,
                    {1024, 256, recompute, WeightStorage::kStored});
    const auto planned = static_cast<double>(group(memory, "activations"));
    const auto taken = static_cast<double>(engine.arena().bytes());
    EXPECT_GE(planned, taken);
    EXPECT_LE(planned, 1.3 * taken);  // padding
    EXPECT_EQ(group(memory, "weights, expanded") + group(memory, "weights, pages of the file"),
              weights.bytes());
  }
}

TEST(MemoryPlan, ChoosesTheFastestStepThatFits) {
  const Recipe plain = small_recipe();
  const StepChoice best{1024, 256, false, WeightStorage::kExpanded};
  const StepChoice smallest{64, 64, true, WeightStorage::kStored};
  ASSERT_LT(total(smallest), total(best));
  double cost = 0;
  // From plenty to hardly enough: each fits, and none is faster than the one before.
  for (int64_t limit = total(best); limit >= total(smallest); limit -= kMiB / 4) {
    Recipe recipe = plain;
    recipe.memory = std::to_string(limit);
    const StepMemory memory = choose_step(recipe, tiny_files(), DType::kF32, {50, 50, 0, {}, {}});
    EXPECT_LE(memory.total(), limit);
    EXPECT_GE(memory.choice.cost(), cost);
    EXPECT_EQ(memory.reason.empty(), memory.choice.cost() == best.cost());
    EXPECT_EQ(recipe.max_tokens, memory.choice.max_tokens);
    EXPECT_EQ(recipe.recompute, memory.choice.recompute ? "layer" : "none");
    EXPECT_EQ(recipe.weights,
              memory.choice.storage == WeightStorage::kStored ? "stored" : "expanded");
    if (cost == 0) {
      EXPECT_EQ(memory.choice.describe(), best.describe());
    }
    cost = memory.choice.cost();
  }
  EXPECT_GT(cost, best.cost());
}

TEST(MemoryPlan, KeepsWhatTheRecipeNames) {
  Recipe recipe = small_recipe();
  recipe.memory = "1GiB";
  recipe.weights = "stored";
  recipe.recompute = "layer";
  choose_step(recipe, tiny_files(), DType::kF32, {50, 50, 0, {}, {}});
  EXPECT_EQ(recipe.weights, "stored");
  EXPECT_EQ(recipe.recompute, "layer");
}

TEST(MemoryPlan, TooLittleIsAnErrorThatSaysHowMuchIsNeeded) {
  Recipe recipe = small_recipe();
  const int64_t needed = total({64, 64, true, WeightStorage::kStored});
  recipe.memory = std::to_string(needed - 1);
  try {
    choose_step(recipe, tiny_files(), DType::kF32, {50, 50, 0, {}, {}});
    FAIL() << "nothing fits";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    EXPECT_THAT(e.what(), HasSubstr(fmt::format("{} MiB", needed / kMiB + 1)));
  }
}

}  // namespace
}  // namespace ilora
