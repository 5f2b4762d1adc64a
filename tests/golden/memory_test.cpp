// `train --memory`: too little is refused before anything is trained, plenty changes nothing, and
// what was chosen is written down.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> arguments(const fs::path& run, const std::string& memory,
                                   const Settings& more = {}) {
  Settings settings = {"train.epochs=1"};
  settings.insert(settings.end(), more.begin(), more.end());
  std::vector<std::string> list = train_arguments(tiny_settings(run, "seq", settings));
  list.insert(list.end(), {"--memory", memory});
  return list;
}

TEST(MemoryOption, RefusesTooLittle) {
  const TemporaryFolder folder;
  const Outcome outcome = run_ilora(folder, arguments(folder / "run", "1MiB"));
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("the smallest step needs"));
  EXPECT_FALSE(fs::exists(folder / "run"));
}

TEST(MemoryOption, SaysWhatItChoseAndTrainsWithIt) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run", plain = folder / "plain";
  const Outcome outcome = run_ilora(folder, arguments(run, "8GiB"));
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_THAT(outcome.err, HasSubstr("weights expanded, activations kept"));
  EXPECT_THAT(outcome.err, HasSubstr("layer.gate"));
  const std::string config = read_file(run / "config.yaml");
  EXPECT_THAT(config, HasSubstr("recompute: none"));
  EXPECT_THAT(config, HasSubstr("weights: expanded"));
  // The same step without the option: the same bits.
  Settings settings = {"train.epochs=1"};
  ASSERT_EQ(run_ilora(folder, train_arguments(tiny_settings(plain, "seq", settings))).code, 0);
  EXPECT_EQ(adapter_bytes(run), adapter_bytes(plain));
}

}  // namespace
}  // namespace ilora::testing
