// engine.mode: auto is what was measured, and a run keeps it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/kernels.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

class AutoMode : public ::testing::Test {
 protected:
  // The program with a cache folder of the test's own.
  Outcome run(const std::vector<std::string>& arguments) {
    return run_ilora(folder_, arguments, {.environment = {{"XDG_CACHE_HOME", folder_ / ""}}});
  }
  Outcome train(const std::string& name, const Settings& more = {}) {
    Settings settings = {"train.epochs=1", "engine.mode=auto", "data.tasks=alpha"};
    settings.insert(settings.end(), more.begin(), more.end());
    return run(train_arguments(tiny_settings(folder_ / name, "seq", settings)));
  }
  std::string mode_of(const std::string& name) {
    return results_of(folder_ / name).at("environment").at("mode");
  }
  // From now on products in f32 and in bf16 have taken so many seconds.
  void remember(double f32, double bf16) {
    const fs::path file = folder_ / "ilora" / "product-times.json";
    Json kept = read_json(file);
    ASSERT_EQ(kept.size(), 1U);
    for (auto& [key, times] : kept.items()) times = {f32, bf16, 9.0};
    write_json(file, kept);
  }

  const TemporaryFolder folder_;
};

TEST_F(AutoMode, IsTheFasterOneAndARunKeepsItWhenTheMachineIsAnother) {
  if (!cpu_features().bf16_native) GTEST_SKIP() << "this CPU has no bf16 instructions";
  ASSERT_EQ(train("first").code, 0);
  remember(2.0, 1.0);
  ASSERT_EQ(train("bf16").code, 0);
  EXPECT_EQ(mode_of("bf16"), "bf16");
  remember(1.0, 2.0);
  ASSERT_EQ(train("f32").code, 0);
  EXPECT_EQ(mode_of("f32"), "f32");

  const std::string task = data_folder("tiny-tasks/beta").string();
  ASSERT_EQ(run({"train", "--continue", folder_ / "bf16", "--task", task}).code, 0);
  EXPECT_EQ(mode_of("bf16"), "bf16") << "what was begun in bf16 went on in f32";
  const Outcome changed =
      run({"train", "--continue", folder_ / "f32", "--task", task, "--set", "engine.mode=bf16"});
  ASSERT_EQ(changed.code, 0) << changed.err;
  EXPECT_EQ(mode_of("f32"), "bf16") << "what is asked for wins";
}

TEST_F(AutoMode, IsF32WithoutBf16InstructionsAndMeasuresNothing) {
  const Outcome outcome = run_ilora(
      folder_,
      train_arguments(tiny_settings(folder_ / "run", "seq",
                                    {"train.epochs=1", "engine.mode=auto", "data.tasks=alpha"})),
      {.environment = {{"XDG_CACHE_HOME", folder_ / ""}, {"ILORA_TARGET", "AVX2"}}});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(mode_of("run"), "f32");
  EXPECT_FALSE(fs::exists(folder_ / "ilora"));
}

TEST_F(AutoMode, Bf16ExpandedHoldsWeightsInBf16AndMultipliesInF32) {
  ASSERT_EQ(train("f32", {"engine.mode=f32"}).code, 0);
  ASSERT_EQ(train("expanded", {"engine.mode=bf16-expanded"}).code, 0);
  EXPECT_EQ(mode_of("expanded"), "bf16-expanded");
  const double f32 = events(folder_ / "f32").front().at("loss"),
               expanded = events(folder_ / "expanded").front().at("loss");
  EXPECT_NEAR(f32, expanded, 0.02 * f32);
  EXPECT_NE(f32, expanded);
}

// Products of bytes: near the run in f32, the same on any number of threads, resumed to the bit in
// the form that it was begun in.
TEST_F(AutoMode, Int8IsNearF32AndARunKeepsItsForm) {
  if (!cpu_features().byte_products) GTEST_SKIP() << "this CPU has no products of bytes";
  ASSERT_EQ(train("f32", {"engine.mode=f32"}).code, 0);
  ASSERT_EQ(train("one", {"engine.mode=int8-f32", "engine.threads=1"}).code, 0);
  ASSERT_EQ(train("two", {"engine.mode=int8-f32", "engine.threads=2"}).code, 0);
  EXPECT_EQ(mode_of("two"), "int8-f32");
  EXPECT_EQ(adapter_bytes(folder_ / "one"), adapter_bytes(folder_ / "two"));
  const double f32 = events(folder_ / "f32").front().at("loss"),
               int8 = events(folder_ / "two").front().at("loss");
  EXPECT_NEAR(f32, int8, 0.02 * f32);
  EXPECT_NE(f32, int8);

  ASSERT_EQ(train("auto", {"engine.mode=int8"}).code, 0);
  const std::string begun = mode_of("auto");
  EXPECT_THAT(begun, ::testing::StartsWith("int8-"));
  if (!cpu_features().bf16_native) return;
  remember(begun == "int8-f32" ? 2.0 : 1.0, begun == "int8-f32" ? 1.0 : 2.0);
  const std::string task = data_folder("tiny-tasks/beta").string();
  ASSERT_EQ(run({"train", "--continue", folder_ / "auto", "--task", task}).code, 0);
  EXPECT_EQ(mode_of("auto"), begun);
}

TEST_F(AutoMode, Int8IsRefusedWithoutProductsOfBytes) {
  const Outcome outcome = run_ilora(
      folder_, train_arguments(tiny_settings(folder_ / "run", "seq", {"engine.mode=int8"})),
      {.environment = {{"XDG_CACHE_HOME", folder_ / ""}, {"ILORA_TARGET", "AVX2"}}});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, ::testing::HasSubstr("no products of bytes (avx512_vnni)"));
}

TEST_F(AutoMode, ARunOfAModeThatIsNotKnownSaysSo) {
  ASSERT_EQ(train("run").code, 0);
  const fs::path file = RunFolder(folder_ / "run").path(Results::kFile);
  Json results = read_json(file);
  results["environment"]["mode"] = "int3";
  results.erase("hash");
  write_json(file, results);
  const Outcome outcome = run({"generate", "--run", folder_ / "run", "--prompt", "a"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, ::testing::HasSubstr("no mode is called 'int3'"));
}

}  // namespace
}  // namespace ilora::testing
