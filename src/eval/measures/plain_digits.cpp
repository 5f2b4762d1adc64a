#include "eval/measures/plain_digits.h"

#include <algorithm>
#include <array>
#include <utility>

#include "text/utf8.h"

namespace ilora {
namespace {

using Written = std::pair<char32_t, std::string_view>;

// Unicode's vulgar fractions.
constexpr std::array<Written, 19> kFractions = {{
    {U'¼', "1/4"},  {U'½', "1/2"}, {U'¾', "3/4"}, {U'⅐', "1/7"}, {U'⅑', "1/9"},
    {U'⅒', "1/10"}, {U'⅓', "1/3"}, {U'⅔', "2/3"}, {U'⅕', "1/5"}, {U'⅖', "2/5"},
    {U'⅗', "3/5"},  {U'⅘', "4/5"}, {U'⅙', "1/6"}, {U'⅚', "5/6"}, {U'⅛', "1/8"},
    {U'⅜', "3/8"},  {U'⅝', "5/8"}, {U'⅞', "7/8"}, {U'↉', "0/3"},
}};
constexpr std::array<Written, 5> kSigns = {
    {{U'\u2044', "/"}, {U'\u2215', "/"}, {U'／', "/"}, {U'－', "-"}, {U'．', "."}}};

std::string_view written(const auto& table, char32_t c) {
  const auto found = std::ranges::find(table, c, &Written::first);
  return found == table.end() ? std::string_view() : found->second;
}

// Digits stand in runs of ten, from 0 on.
char ascii_digit(char32_t c) {
  char32_t first = c;
  while (is_decimal_digit(first - 1)) --first;
  return static_cast<char>('0' + (c - first) % 10);
}

}  // namespace

std::string plain_digits(std::string_view text) {
  std::string plain;
  for (size_t at = 0; at < text.size();) {
    const Utf8Unit unit = utf8_unit(text, at);
    const std::string_view bytes = text.substr(at, unit.length);
    at += unit.length;
    const char32_t c = unit.valid ? utf8_at(bytes, 0) : 0;
    if (c < 0x80) {
      plain += bytes;
    } else if (is_decimal_digit(c)) {
      plain += ascii_digit(c);
    } else if (const std::string_view fraction = written(kFractions, c); !fraction.empty()) {
      if (!plain.empty() && plain.back() >= '0' && plain.back() <= '9') plain += ' ';
      plain += fraction;
    } else {
      const std::string_view sign = written(kSigns, c);
      plain += sign.empty() ? bytes : sign;
    }
  }
  return plain;
}

}  // namespace ilora
