#include "base/log.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

struct Captured {
  std::string bytes;
  Log log;
  explicit Captured(bool terminal, int width = 80)
      : log([this](std::string_view text) { bytes += text; }, terminal, width) {}
};

TEST(Log, WritesPlainLines) {
  Captured c(false);
  c.log.info("task {}", 3);
  c.log.warn("slow");
  c.log.error("bad {{}}");
  EXPECT_EQ(c.bytes, "task 3\nwarning: slow\nerror: bad {}\n");
}

TEST(Log, ShowsControlCharactersAndDoesNotPrintThem) {
  Captured c(true);
  c.log.error("no\x1b[31mrun\a\x7f");
  c.log.info("two\nlines\tand \xc3\xa4");
  EXPECT_EQ(c.bytes, "error: no\\x1b[31mrun\\x07\\x7f\ntwo\nlines\tand \xc3\xa4\n");
  c.log.status("\x1b[2J");
  EXPECT_TRUE(c.bytes.ends_with("\r\x1b[K\\x1b[2J"));
}

TEST(Log, QuietKeepsWarningsAndErrors) {
  Captured c(true);
  c.log.set_quiet(true);
  c.log.info("x");
  c.log.status("bar");
  c.log.warn("w");
  EXPECT_EQ(c.bytes, "warning: w\n");
}

TEST(Log, ALineGoesAboveTheStatus) {
  Captured c(true);
  c.log.status("bar 1");
  c.log.info("line");
  c.log.status("bar 2");
  c.log.status("");
  c.log.info("end");
  EXPECT_EQ(c.bytes,
            "\r\x1b[Kbar 1"
            "\r\x1b[Kline\nbar 1"
            "\r\x1b[Kbar 2"
            "\r\x1b[K"
            "end\n");
}

TEST(Log, QuietRemovesTheStatus) {
  Captured c(true);
  c.log.status("bar");
  c.log.set_quiet(true);
  EXPECT_TRUE(c.bytes.ends_with("\r\x1b[K"));
}

TEST(Log, NoStatusOffATerminal) {
  Captured c(false);
  c.log.status("bar");
  EXPECT_EQ(c.bytes, "");
}

TEST(Log, StatusIsCutToTheWidthBetweenCharacters) {
  Captured c(true, 5);
  c.log.status("äöüßabc");
  EXPECT_EQ(c.bytes, "\r\x1b[Käöüß");
}

}  // namespace
}  // namespace ilora
