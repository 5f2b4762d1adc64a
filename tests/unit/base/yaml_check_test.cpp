#include "base/yaml_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/base/error_of.h"

namespace ilora {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& text) {
  return error_of([&] { check_yaml(text, "a.yaml"); }).what();
}

TEST(YamlCheck, ConfigurationsAreFree) {
  for (const char* text : {
           "",
           "# nothing but a comment\n",
           "---\nmethod: ilora\n...\n",
           "method: ilora  # as in the paper\ntrain:\n  epochs: 4\n",
           "data: {folder: a/b, tasks: [x, y-z, \"q: !r\"]}\n",
           "data:\n  tasks:\n  - a\n  - b\n  - \"c\"\n",
           "data:\n  tasks: [a,\n    b,\n    c]\nmodel: {path: x}\n",
           "{\"a\":1,\"b\":[true,\"c\"]}\n",
           "text: it's 3 > 2 & 1 < 2, isn't it? yes! a*b, x|y @home\n",
           "text: 'don''t !tag &anchor *alias'\n",
           "text: \"a \\\" !quote\n  goes on: [\"\nmore: 1\n",
           "text: |\n  !not a tag: *x\n    deeper\n\n  &again\nmore: 1\n",
           "- a: >-\n    folded, &text\n  b: 2\n- c\n",
           "text: goes on\n  over two lines\nmore: 1\n",
           "url: http://a.b/c?d=e#f\n",
           "time: 12:30:00\r\nmore: -1\r\n",
           "\xef\xbb\xbfmethod: er\n",
       })
    EXPECT_NO_THROW(check_yaml(text, "a.yaml")) << text;
}

TEST(YamlCheck, WhatTheParserMayNotSeeIsRefusedByName) {
  struct Case {
    const char *text, *said;
  };
  for (const auto& [text, said] : {
           Case{"!a, b", "got a tag (!) (a.yaml:1)"},
           {"a: 1\nb: !!str 3\n", "got a tag (!) (a.yaml:2)"},
           {"a: [1, !x 2]", "a tag (!)"},
           {"- a: |\n !x, b\n", "a tag (!)"},
           {"a: &x [1]\nb: *x\n", "an anchor (&)"},
           {"a: {b: *x}\n", "an alias (*)"},
           {"<<: *x\n", "an alias (*)"},
           {"%YAML 1.2\n---\na: 1\n", "a directive (%)"},
           {"? a\n: b\n", "a complex key (?)"},
           {",#,", "a comma outside of brackets"},
           {"a: [1], b", "a comma outside of brackets"},
           {"a: ]\n", "']' without its beginning"},
           {"a: \"b\" c\n", "more after its end"},
           {"a: @b\n", "a reserved mark"},
           {": b\n", "a colon without a name"},
           {"a: |2\n    x\n", "the end of the line after | or >"},
           {"a: b\n  'c'\n", "a second line that begins with a mark"},
           {"a text\n", "a text alone"},
           {"a: \x01\n", "a control character"},
           {"a: 1\rb: 2\n", "a line feed after a carriage return"},
       })
    EXPECT_THAT(refusal(text), HasSubstr(said)) << text;
  EXPECT_THAT(refusal(std::string("a: 1\0", 5)), HasSubstr("a control character"));
}

TEST(YamlCheck, WhatIsTooDeepOrTooLargeIsRefused) {
  std::string brackets = "a: ", indented, dashes;
  for (int i = 0; i < 100'000; ++i) {
    brackets += "[";
    dashes += "- ";
  }
  for (size_t i = 0; i < 300; ++i) indented += std::string(i, ' ') + "a:\n";
  EXPECT_THAT(refusal(brackets), HasSubstr("more than 64 brackets"));
  EXPECT_THAT(refusal(dashes), HasSubstr("nested over 200 columns"));
  EXPECT_THAT(refusal(indented), HasSubstr("indented by more than 200 columns"));
  EXPECT_THAT(refusal(std::string(2 << 20, '#')), HasSubstr("larger than 1024 KiB"));
}

}  // namespace
}  // namespace ilora
