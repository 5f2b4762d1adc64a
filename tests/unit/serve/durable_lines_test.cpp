#include "serve/durable_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

TEST(DurableLines, WhatWasAddedIsRead) {
  TemporaryFolder folder;
  const auto file = folder / "new" / "lines.jsonl";
  EXPECT_TRUE(read_durable_lines(file).objects.empty());
  for (int i = 0; i < 3; ++i) add_durable_line(file, {{"i", i}, {"text", "a\nb"}});
  const DurableLines read = read_durable_lines(file);
  ASSERT_EQ(read.objects.size(), 3u);
  EXPECT_EQ(read.objects[2]["i"], 2);
  EXPECT_TRUE(read.warnings.empty());
}

TEST(DurableLines, ATornTailGoesAtEveryLengthAndWritingGoesOn) {
  TemporaryFolder folder;
  const auto file = folder / "lines.jsonl";
  add_durable_line(file, {{"i", 0}});
  const std::string first = read_file(file);
  add_durable_line(file, {{"i", 1}});
  const std::string both = read_file(file);
  for (size_t cut = first.size(); cut < both.size(); ++cut) {
    write_file_atomic(file, both.substr(0, cut));
    const DurableLines read = read_durable_lines(file);
    ASSERT_EQ(read.objects.size(), 1u) << cut;
    EXPECT_TRUE(read.warnings.empty());
    EXPECT_EQ(read_file(file), first);
  }
  add_durable_line(file, {{"i", 2}});
  EXPECT_EQ(read_durable_lines(file).objects.back()["i"], 2);
}

TEST(DurableLines, ADamagedLineIsNamedAndTheOthersCount) {
  TemporaryFolder folder;
  const auto file = folder / "lines.jsonl";
  for (int i = 0; i < 3; ++i) add_durable_line(file, {{"i", i}});
  const std::string good = read_file(file);
  const size_t second = good.find('\n') + 1;
  for (size_t at = second; at < good.find('\n', second); ++at) {
    std::string bad = good;
    bad[at] ^= 1;
    if (bad[at] == '\n') continue;
    write_file_atomic(file, bad);
    const DurableLines read = read_durable_lines(file);
    EXPECT_EQ(read.objects.size(), 2u) << at;
    ASSERT_EQ(read.warnings.size(), 1u) << at;
    EXPECT_THAT(read.warnings[0], ::testing::HasSubstr("line 2"));
  }
}

}  // namespace
}  // namespace ilora
