#include "serve/status_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ilora {
namespace {

TEST(StatusText, EachFigureHasItsKindAndHelp) {
  AnsweringCounts counts;
  counts.answered = 7;
  const std::string text = status_text(counts, 9, 1.5);
  using ::testing::HasSubstr;
  EXPECT_THAT(text, HasSubstr("# TYPE ilora_answers_total counter\nilora_answers_total 7\n"));
  EXPECT_THAT(text, HasSubstr("ilora_http_requests_total 9\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE ilora_uptime_seconds gauge\nilora_uptime_seconds 1.5\n"));
}

}  // namespace
}  // namespace ilora
