// The worked example of CONTRIBUTING.md (examples/new_method): it is listed, does what its equation
// says, resumes to the same bits, and the guide quotes its files as they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "model/peft.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

TEST(NewMethod, IsListedWithItsOptions) {
  const TemporaryFolder folder;
  EXPECT_THAT(run_ilora(folder, {"methods"}).out, HasSubstr("anchor"));
  EXPECT_THAT(run_ilora(folder, {"methods", "anchor"}).out, HasSubstr("anchor.strength"));
}

TEST(NewMethod, AddsTheGradientOfItsPenalty) {
  TinyRun tiny(tiny_settings("unused", "anchor", {"anchor.strength=0.25"}));
  Method& method = tiny.configuration.method();
  Adapter adapter(tiny.model(), tiny.recipe().lora);
  adapter.initialise(1, 0);
  ilora::Run run(tiny.engine(), std::move(adapter), 1);
  const Kernels& k = run.kernels();
  const int64_t n = run.fast().layout().size();
  const Tensor w = run.fast().values(), gradient = run.gradient();

  k.fill(gradient, 1.0);
  method.edit_gradient(run);
  EXPECT_EQ(values_of(gradient), std::vector<float>(static_cast<size_t>(n), 1.0F))
      << "nothing is held in the first task";

  method.end_task(run);
  const std::vector<float> before = values_of(w);
  for (int64_t i = 0; i < n; ++i) w.ptr<float>()[i] += static_cast<float>(i % 5) * 0.125F;
  method.edit_gradient(run);
  double penalty = 0;
  for (int64_t i = 0; i < n; ++i) {
    const auto moved = static_cast<double>(w.ptr<float>()[i]) -
                       static_cast<double>(before[static_cast<size_t>(i)]);
    ASSERT_NEAR(gradient.ptr<float>()[i], 1.0 + 0.25 * moved, 1e-6);
    penalty += 0.5 * 0.25 * moved * moved;
  }
  EXPECT_NEAR(run.reported().at("penalty"), penalty, 1e-5 * penalty);
}

Settings settings(const fs::path& run, const std::string& method, const Settings& more = {}) {
  Settings all = {"train.epochs=3", "checkpoint.every=3"};
  all.insert(all.end(), more.begin(), more.end());
  return tiny_settings(run, method, all);
}

// How far the adapter moves in the second task.
double moved(const fs::path& run, const ModelConfig& model) {
  const Adapter first = load_peft(RunFolder(run).adapter(1, "fast"), model);
  const Adapter second = load_peft(RunFolder(run).adapter(2, "fast"), model);
  return relative_difference(second.values(), first.values());
}

TEST(NewMethod, HoldsTheAdapterAndWithoutStrengthIsSeq) {
  const TemporaryFolder folder;
  const TinyRun tiny(tiny_settings("unused", "seq"));
  for (const auto& [run, method, more] : {std::tuple{"seq", "seq", Settings{}},
                                          {"held", "anchor", {"anchor.strength=1"}},
                                          {"free", "anchor", {"anchor.strength=0"}}}) {
    const Outcome outcome =
        run_ilora(folder, train_arguments(settings(folder / run, method, more)));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  const auto seq = adapter_bytes(folder / "seq"), held = adapter_bytes(folder / "held");
  EXPECT_EQ(adapter_bytes(folder / "free"), seq);
  for (const auto& [path, bytes] : seq)
    EXPECT_EQ(held.at(path) == bytes, path.starts_with("task-01")) << path;
  EXPECT_LT(moved(folder / "held", tiny.model()), 0.8 * moved(folder / "seq", tiny.model()));
}

TEST(NewMethod, ResumesToTheSameBits) {
  const TemporaryFolder folder;
  const fs::path whole = folder / "whole", cut = folder / "cut";
  ASSERT_EQ(run_ilora(folder, train_arguments(settings(whole, "anchor"))).code, 0);
  {
    Child child(folder, train_arguments(settings(cut, "anchor")));
    while (child.running() &&
           (!fs::exists(RunFolder(cut).path(kMetricsFile)) || count_steps(cut) < 17))
      std::this_thread::sleep_for(std::chrono::microseconds(500));
    child.send(SIGKILL);
    EXPECT_EQ(child.wait().signal, SIGKILL) << "the run was over too soon";
  }
  const Outcome resumed = run_ilora(folder, {"train", "--resume", cut.string()});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(adapter_bytes(cut), adapter_bytes(whole));
  EXPECT_EQ(events(cut, ""), events(whole, ""));
}

// The text between two marks, from `at` on; `at` moves behind it.
std::optional<std::string> between(const std::string& text, const std::string& begin,
                                   const std::string& end, size_t& at) {
  const size_t from = text.find(begin, at);
  if (from == std::string::npos) return {};
  const size_t to = text.find(end, from + begin.size());
  at = to + end.size();
  return text.substr(from + begin.size(), to - from - begin.size());
}

TEST(NewMethod, TheGuideQuotesItsFilesAsTheyAre) {
  const fs::path root = ILORA_SOURCE_DIR;
  const std::string guide = read_file(root / "CONTRIBUTING.md");
  const std::string files = read_file(root / "examples/new_method/anchor.cpp") +
                            read_file(root / "examples/new_method/registry.txt");
  size_t at = guide.find("## Add a method"), blocks = 0;
  ASSERT_NE(at, std::string::npos);
  const std::string section = guide.substr(at, guide.find("\n## ", at + 1) - at);
  at = 0;
  while (const auto block = between(section, "```cpp\n", "```", at)) {
    ++blocks;
    EXPECT_NE(files.find(*block), std::string::npos) << "not in examples/new_method:\n" << *block;
  }
  EXPECT_GE(blocks, 5U);
}

}  // namespace
}  // namespace ilora::testing
