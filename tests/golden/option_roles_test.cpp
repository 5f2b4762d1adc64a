// What options say of themselves, held against runs: that those of role `how` leave every bit, and
// those of role `rounding` all but rounding; that a finished run keeps those that are fixed once it
// has learned.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "runs/rows.h"
#include "session/prepare.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> keys_of(OptionRole role) {
  const Configuration known;
  std::vector<std::string> keys = known.options.keys();
  std::erase_if(keys, [&](const auto& key) { return known.options.rules(key).role != role; });
  return keys;
}

// The number that a text is; none for other texts.
std::optional<double> number_of(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  return text.empty() || *end != '\0' ? std::nullopt : std::optional(number);
}

// Other values that an option may take, from its rules; none where they do not tell.
std::vector<std::string> other_values(const OptionList& options, const std::string& key) {
  const OptionRules& rules = options.rules(key);
  const std::string now = options.value_text(key);
  std::vector<std::string> values = rules.choices;
  if (now == "true" || now == "false") values = {"true", "false"};
  if (const auto number = number_of(now)) {
    for (const double other : {rules.min, *number + 1}) {
      const bool allowed =
          std::isfinite(other) && other <= rules.max && (other > rules.min || !rules.above_min);
      if (allowed) values.push_back(fmt::format("{}", other));
    }
  }
  if (key == "engine.memory") values = {"1GiB"};  // a text without choices
  std::erase(values, now);
  return values;
}

// The method whose option it is; ilora, which has most to compute, for those of every run.
std::string method_with(const OptionList& options, const std::string& key) {
  for (const std::string& method : training_methods())
    if (options.concerns(key, method) && !options.concerns(key, "")) return method;
  return "ilora";
}

// Two tasks with everything that a step may hold: dropout, replay, consistency, norms of terms.
Settings short_run(const fs::path& run, const std::string& method, const Settings& more = {}) {
  Settings settings = {"train.epochs=2", "data.tasks=alpha,beta", "lora.dropout=0.1",
                       "log.gradient_norms_every=3"};
  settings.insert(settings.end(), more.begin(), more.end());
  return tiny_settings(run, method, settings);
}

// What a run tells of its steps, but for the norms, of which log.gradient_norms_every says how many
// there are.
std::vector<Json> told(const fs::path& run) {
  std::vector<Json> all = events(run, "");
  for (Json& event : all) event.erase("gradient_norms");
  return all;
}

// Trains with every other value of an option, and shows each run beside the plain one.
class OptionRoles : public ::testing::TestWithParam<std::string> {
 protected:
  void compare(const std::function<void(const fs::path& plain, const fs::path& other)>& expect) {
    const std::string key = GetParam();
    Configuration known;
    const std::string method = method_with(known.options, key);
    const TemporaryFolder folder;
    const Settings settings = short_run(folder / "plain", method);
    known.set(settings);
    const std::vector<std::string> values = other_values(known.options, key);
    ASSERT_FALSE(values.empty()) << "other_values() has none";
    ASSERT_EQ(run_ilora(folder, train_arguments(settings)).code, 0);
    for (const std::string& value : values) {
      SCOPED_TRACE(key + "=" + value);
      const fs::path run = folder / ("with-" + value);
      const Outcome outcome =
          run_ilora(folder, train_arguments(short_run(run, method, {key + "=" + value})));
      ASSERT_EQ(outcome.code, 0) << outcome.err;
      expect(folder / "plain", run);
    }
  }
};

class HowOptions : public OptionRoles {};

TEST_P(HowOptions, LeaveEveryBit) {
  compare([](const fs::path& plain, const fs::path& other) {
    EXPECT_EQ(adapter_bytes(other), adapter_bytes(plain));
    EXPECT_EQ(read_file(RunFolder(other).path(ScoredRows::kFile)),
              read_file(RunFolder(plain).path(ScoredRows::kFile)));
    EXPECT_EQ(told(other), told(plain));
  });
}

class RoundingOptions : public OptionRoles {};

// As near as two tables of operations are (CheckedKernelsAgreeAndReferenceKernelsComeClose).
TEST_P(RoundingOptions, LeaveAllButRounding) {
  compare([](const fs::path& plain, const fs::path& other) {
    const std::vector<Json> a = events(plain), b = events(other);
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      const double loss = a[i].at("loss");
      EXPECT_NEAR(b[i].at("loss").get<double>(), loss, 1e-4 * loss) << "step " << i + 1;
    }
  });
}

std::string name_of_key(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::ranges::replace(name, '.', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Runs, HowOptions, ::testing::ValuesIn(keys_of(OptionRole::kHow)),
                         name_of_key);
INSTANTIATE_TEST_SUITE_P(Runs, RoundingOptions, ::testing::ValuesIn(keys_of(OptionRole::kRounding)),
                         name_of_key);

class FixedOptions : public ::testing::TestWithParam<std::string> {};

TEST_P(FixedOptions, AreKeptByARunThatLearnsMore) {
  const std::string method = GetParam();
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  const Outcome outcome = run_ilora(
      folder, train_arguments(tiny_settings(run, method, {"train.epochs=1", "data.tasks=alpha"})));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto own = configuration_of(RunFolder(run));
  const std::vector<std::string> more = {data_folder("tiny-tasks/beta").string()};
  for (const std::string& key : own->options.keys()) {
    std::vector<std::string> values = other_values(own->options, key);
    if (values.empty()) values = {"other"};  // what may not change is refused before it is read
    const std::string setting = key + "=" + values.front();
    SCOPED_TRACE(setting);
    if (own->options.rules(key).fixed_once_learned && own->options.concerns(key, method)) {
      try {
        prepare_continue(run, more, {setting});
        ADD_FAILURE() << "accepted";
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kUsage);
        EXPECT_THAT(error.what(), HasSubstr("cannot change '" + setting));
        EXPECT_THAT(error.hint(), HasSubstr(key.substr(0, key.find('.'))));
      }
    } else if (values.front() != "other") {
      EXPECT_NO_THROW(prepare_continue(run, more, {setting}));
    }
    // What it is already is no change.
    EXPECT_NO_THROW(prepare_continue(run, more, {key + "=" + own->options.value_text(key)}));
  }
}

INSTANTIATE_TEST_SUITE_P(Runs, FixedOptions, ::testing::ValuesIn(training_methods()),
                         [](const auto& method) { return test_name(method.param); });

TEST(ResumedRun, MayChangeHowItIsComputedAndNothingElse) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  const Settings settings = tiny_settings(run, "er", {"train.epochs=1", "data.tasks=alpha"});
  ASSERT_EQ(run_ilora(folder, train_arguments(settings)).code, 0);
  const auto own = configuration_of(RunFolder(run));
  for (const std::string& key : own->options.keys()) {
    const std::vector<std::string> values = other_values(own->options, key);
    if (values.empty()) continue;
    const std::string setting = key + "=" + values.front();
    SCOPED_TRACE(setting);
    if (own->options.rules(key).role == OptionRole::kHow) {
      EXPECT_EQ(prepare_resume(run, {setting}).configuration->options.value_text(key), values[0]);
      continue;
    }
    try {
      prepare_resume(run, {setting});
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("'" + setting));
      for (const std::string& how : keys_of(OptionRole::kHow))
        EXPECT_THAT(error.hint(), HasSubstr(how));
    }
  }
}

}  // namespace
}  // namespace ilora::testing
