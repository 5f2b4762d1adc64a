#include "runs/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runs/schema.h"
#include "tests/unit/base/error_of.h"

namespace ilora {
namespace {

using ::testing::HasSubstr;

constexpr const char* kLine =
    R"({"task":"a","learner":"slow","after":2,"split":"test","scores":[1.0,0.0,0.3333333333333333]})";

ScoredRows parsed(const std::string& text) {
  return JsonReader::parse<ScoredRows>(Json::parse(text), {"rows.jsonl, line 1", {}});
}

TEST(ScoredRows, ALineComesBackToTheByte) {
  const ScoredRows rows = parsed(kLine);
  EXPECT_EQ(rows.task, "a");
  EXPECT_EQ(rows.learner, "slow");
  EXPECT_EQ(rows.after, 2);
  EXPECT_EQ(rows.split, "test");
  EXPECT_EQ(rows.scores, (std::vector<double>{1, 0, 1.0 / 3}));
  EXPECT_EQ(run_line(rows), kLine);
}

TEST(ScoredRows, EveryKeyIsRequired) {
  for (const char* key : {"task", "learner", "after", "split", "scores"}) {
    Json json = Json::parse(kLine);
    json.erase(key);
    EXPECT_THAT(
        message_of([&] { parsed(json.dump()); }),
        HasSubstr(fmt::format("expected a key \"{}\", got none (rows.jsonl, line 1)", key)));
    json[key] = true;
    EXPECT_THAT(message_of([&] { parsed(json.dump()); }),
                HasSubstr(fmt::format("expected \"{}\" to be", key)));
  }
}

}  // namespace
}  // namespace ilora
