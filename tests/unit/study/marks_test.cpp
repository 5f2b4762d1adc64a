// Generated text between the marks of a page.
#include "study/marks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

TEST(Marks, WhatStandsBetweenThemIsReplaced) {
  TemporaryFolder folder;
  const auto page = folder / "page.md";
  write_file_atomic(page, "a\n<!-- begin: x -->\nold\n<!-- end: x -->\nb\n");
  for (int twice = 0; twice < 2; ++twice) replace_between_marks(page, "x", "new\n");
  EXPECT_EQ(read_file(page), "a\n<!-- begin: x -->\n\nnew\n\n<!-- end: x -->\nb\n");
}

TEST(Marks, LinesMayEndInCrLf) {
  TemporaryFolder folder;
  const auto page = folder / "page.md";
  write_file_atomic(page, "<!-- begin: x -->\r\nold\r\n<!-- end: x -->\r\n");
  replace_between_marks(page, "x", "new\n");
  EXPECT_EQ(read_file(page), "<!-- begin: x -->\r\n\nnew\n\n<!-- end: x -->\r\n");
}

TEST(Marks, APageWithoutThemIsLeftAsItIs) {
  TemporaryFolder folder;
  const auto page = folder / "page.md";
  const std::string text = "<!-- end: x -->\n<!-- begin: x -->\n";
  write_file_atomic(page, text);
  EXPECT_THAT(message_of([&] { replace_between_marks(page, "y", "new"); }),
              ::testing::HasSubstr("begin: y"));
  EXPECT_THAT(message_of([&] { replace_between_marks(page, "x", "new"); }),
              ::testing::HasSubstr("page.md"));
  EXPECT_EQ(read_file(page), text);
}

}  // namespace
}  // namespace ilora
