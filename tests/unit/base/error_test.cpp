#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ilora {
namespace {

using testing::HasSubstr;

TEST(Error, CarriesKindMessageAndHint) {
  const Error error(ErrorKind::kData, "[task] expected an answer, got none (a.json row 3)",
                    "Add it.");
  EXPECT_EQ(error.kind(), ErrorKind::kData);
  EXPECT_STREQ(error.what(), "[task] expected an answer, got none (a.json row 3)");
  EXPECT_EQ(error.hint(), "Add it.");
}

TEST(Check, PassesSilentlyAndEvaluatesOnce) {
  int calls = 0;
  ILORA_CHECK(++calls == 1, "never shown");
  EXPECT_EQ(calls, 1);
}

TEST(Check, NamesConditionPlaceAndMessage) {
  const int rows = 3;
  try {
    ILORA_CHECK(rows == 4, "rows {}", rows);
    FAIL() << "the check passed";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInternal);
    EXPECT_THAT(error.what(), HasSubstr("rows == 4 does not hold"));
    EXPECT_THAT(error.what(), HasSubstr("error_test.cpp:"));
    EXPECT_THAT(error.what(), HasSubstr(": rows 3"));
    EXPECT_THAT(error.hint(), HasSubstr("bug"));
  }
}

TEST(Check, WorksWithoutAMessage) {
  try {
    ILORA_CHECK(false);
    FAIL() << "the check passed";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("false does not hold"));
  }
}

}  // namespace
}  // namespace ilora
