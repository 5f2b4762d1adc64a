// CSV as RFC 4180 has it, and what is said of tables that are not.
#include "base/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "tests/unit/base/error_of.h"

namespace ilora {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

CsvTable parse(const std::string& text, char separator = ',') {
  return parse_csv(text, separator, "x.csv");
}

std::string failure(const std::string& text) {
  return message_of([&] { parse(text); });
}

TEST(Csv, ReadsHeaderAndRows) {
  const CsvTable table = parse("a,b\n1,2\r\n\n3,\n");
  EXPECT_THAT(table.header, ElementsAre("a", "b"));
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_THAT(table.rows[0].cells, ElementsAre("1", "2"));
  EXPECT_EQ(table.rows[0].line, 2);
  EXPECT_THAT(table.rows[1].cells, ElementsAre("3", ""));
  EXPECT_EQ(table.rows[1].line, 4);
}

TEST(Csv, QuotedCellsHoldSeparatorsQuotesAndLineBreaks) {
  const CsvTable table = parse("text,label\n\"a, \"\"b\"\"\nc\r\nd\",1\n\"\",\"x\"\nlast,2");
  ASSERT_EQ(table.rows.size(), 3U);
  EXPECT_EQ(table.rows[0].cells[0], "a, \"b\"\nc\r\nd");
  EXPECT_THAT(table.rows[1].cells, ElementsAre("", "x"));
  EXPECT_EQ(table.rows[1].line, 5) << "line breaks in cells count";
  EXPECT_THAT(table.rows[2].cells, ElementsAre("last", "2")) << "without a line break at the end";
  EXPECT_EQ(parse("a\n5\" pipe\n").rows[0].cells[0], "5\" pipe")
      << "a quote inside of a plain cell is a quote";
}

TEST(Csv, OtherSeparators) {
  EXPECT_THAT(parse("a\tb\n1,5\t2\n", '\t').rows[0].cells, ElementsAre("1,5", "2"));
  EXPECT_THAT(parse("a;b\n\"1;5\";2\n", ';').rows[0].cells, ElementsAre("1;5", "2"));
}

TEST(Csv, MistakesNameTheirLine) {
  EXPECT_THAT(failure("a,b\n1,2\n\"x\ny,2\n"),
              AllOf(HasSubstr("x.csv:3"), HasSubstr("not closed")));
  EXPECT_THAT(failure("a,b\n\"x\"y,2\n"), AllOf(HasSubstr("x.csv:2"), HasSubstr("quote")));
  EXPECT_THAT(failure("a,b\n1,2\n1,2,3\n"),
              AllOf(HasSubstr("x.csv:3"), HasSubstr("2 cells"), HasSubstr("got 3")));
  EXPECT_THAT(failure("a,b\n1\n"), AllOf(HasSubstr("x.csv:2"), HasSubstr("got 1")));
  EXPECT_THAT(failure(""), HasSubstr("x.csv:1"));
  EXPECT_THAT(failure("a,b,a\n"), AllOf(HasSubstr("'a'"), HasSubstr("twice")));
}

TEST(Csv, WhatIsWrittenIsReadAsItWas) {
  const std::vector<std::string> cells = {"plain", "a, b", "5\" pipe", "two\nlines", "c\r", ""};
  const std::string text = csv_line({"1", "2", "3", "4", "5", "6"}) + csv_line(cells);
  EXPECT_THAT(parse(text).rows.at(0).cells, ::testing::ElementsAreArray(cells));
  EXPECT_EQ(csv_line({"a", "b"}), "a,b\n") << "no quotes where none are needed";
  EXPECT_EQ(csv_number(0.1), "0.1");
  EXPECT_EQ(csv_number(std::nan("")), "");
}

}  // namespace
}  // namespace ilora
