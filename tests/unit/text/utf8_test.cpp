// Invalid UTF-8, incomplete characters, normal forms; expected replacements are those of Python's
// bytes.decode("utf-8", errors="replace").
#include "text/utf8.h"

#include <gtest/gtest.h>

#include <string>

#include "text/byte_level.h"

namespace ilora {
namespace {

const std::string kR = "\xEF\xBF\xBD";  // U+FFFD

TEST(Utf8, ReplacesAsPython) {
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"plain", "plain"},
      {"\x80", kR},
      {"\xFF\xFE", kR + kR},
      {"a\xC3", "a" + kR},
      {"a\xC3z", "a" + kR + "z"},
      {"\xC0\x80", kR + kR},  // overlong: no byte begins a character
      {"\xE2\x82", kR},       // two bytes of three: one
      {"\xE2\x82z", kR + "z"},
      {"\xE0\x80\x80", kR + kR + kR},  // overlong
      {"\xED\xA0\x80", kR + kR + kR},  // a surrogate
      {"\xF0\x9F\x98", kR},            // three bytes of four: one
      {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
      {"\xF0\x9Fz\x98", kR + "z" + kR},
      {"\xF4\x90\x80\x80", kR + kR + kR + kR},  // beyond U+10FFFF
      {"\xF1\x80\x80\xC3\xA9", kR + "\xC3\xA9"},
      {"12345678\xE2\x82"
       "12345678",
       "12345678" + kR + "12345678"},
  };
  for (const auto& [bytes, expected] : cases) {
    EXPECT_EQ(replace_invalid_utf8(bytes), expected) << testing::PrintToString(bytes);
    EXPECT_EQ(find_invalid_utf8(bytes) == bytes.size(), bytes == expected);
  }
}

TEST(Utf8, CompletePrefixHoldsBackOnlyWhatCouldGoOn) {
  EXPECT_EQ(utf8_complete_prefix(""), 0u);
  EXPECT_EQ(utf8_complete_prefix("ab"), 2u);
  EXPECT_EQ(utf8_complete_prefix("a\xC3"), 1u);
  EXPECT_EQ(utf8_complete_prefix("a\xC3\xA9"), 3u);
  EXPECT_EQ(utf8_complete_prefix("\xF0\x9F\x98"), 0u);
  EXPECT_EQ(utf8_complete_prefix("\xE2\x82"), 0u);
  EXPECT_EQ(utf8_complete_prefix("\xED\xA0"), 2u);  // cannot become a character
  EXPECT_EQ(utf8_complete_prefix("\x82\x82\x82"), 3u);
  EXPECT_EQ(utf8_complete_prefix("\xFF"), 1u);
}

TEST(Utf8, NormalForms) {
  EXPECT_EQ(normalize_utf8("e\xCC\x81", NormalForm::kNfc), "\xC3\xA9");
  EXPECT_EQ(normalize_utf8("\xC3\xA9", NormalForm::kNfd), "e\xCC\x81");
  EXPECT_EQ(normalize_utf8("\xEF\xAC\x81", NormalForm::kNfc), "\xEF\xAC\x81");  // the ligature fi
  EXPECT_EQ(normalize_utf8("\xEF\xAC\x81", NormalForm::kNfkc), "fi");
  EXPECT_EQ(normalize_utf8(std::string("a\0b", 3), NormalForm::kNfc), std::string("a\0b", 3));
}

TEST(ByteLevel, WritesEveryByteAsOneCharacter) {
  EXPECT_EQ(token_of_byte(' '), "\xC4\xA0");   // U+0120
  EXPECT_EQ(token_of_byte('\n'), "\xC4\x8A");  // U+010A
  EXPECT_EQ(token_of_byte('a'), "a");
  for (int byte = 0; byte < 256; ++byte) {
    const std::string written = token_of_byte(static_cast<unsigned char>(byte));
    EXPECT_EQ(bytes_of_token(written), std::string(1, static_cast<char>(byte)));
  }
  EXPECT_FALSE(bytes_of_token("a b").has_value());
  EXPECT_FALSE(bytes_of_token("\xE4\xB8\xAD").has_value());
}

}  // namespace
}  // namespace ilora
