#include "text/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace ilora {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Unicode's general categories L*, M* and N*.
bool is_letter(utf8proc_category_t c) {
  return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT ||
         c == UTF8PROC_CATEGORY_LM || c == UTF8PROC_CATEGORY_LO;
}
bool is_mark(utf8proc_category_t c) {
  return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC || c == UTF8PROC_CATEGORY_ME;
}
bool is_number(utf8proc_category_t c) {
  return c == UTF8PROC_CATEGORY_ND || c == UTF8PROC_CATEGORY_NL || c == UTF8PROC_CATEGORY_NO;
}

// Length of a character by its first byte and the range of its second byte (Unicode 15, table 3-7);
// 0: no start.
struct Lead {
  size_t length;
  unsigned char low, high;
};

Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// The first byte at or after `position` that is not ASCII.
size_t skip_ascii(std::string_view text, size_t position) {
  while (position + 8 <= text.size()) {
    uint64_t block = 0;
    std::memcpy(&block, text.data() + position, 8);
    if (block & 0x8080808080808080ULL) break;
    position += 8;
  }
  while (position < text.size() && static_cast<unsigned char>(text[position]) < 0x80) ++position;
  return position;
}

}  // namespace

Utf8Unit utf8_unit(std::string_view text, size_t position) {
  const Lead lead = lead_of(static_cast<unsigned char>(text[position]));
  if (lead.length == 0) return {1, false, false};
  for (size_t i = 1; i < lead.length; ++i) {
    if (position + i == text.size()) return {i, false, true};
    const auto byte = static_cast<unsigned char>(text[position + i]);
    const unsigned char low = i == 1 ? lead.low : 0x80;
    const unsigned char high = i == 1 ? lead.high : 0xBF;
    if (byte < low || byte > high) return {i, false, false};
  }
  return {lead.length, true, false};
}

size_t find_invalid_utf8(std::string_view text) {
  for (size_t position = skip_ascii(text, 0); position < text.size();) {
    const Utf8Unit unit = utf8_unit(text, position);
    if (!unit.valid) return position;
    position = skip_ascii(text, position + unit.length);
  }
  return text.size();
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const size_t valid = find_invalid_utf8(text);
    result.append(text.substr(0, valid));
    text.remove_prefix(valid);
    if (text.empty()) break;
    result.append(kReplacement);
    text.remove_prefix(utf8_unit(text, 0).length);
  }
  return result;
}

size_t utf8_complete_prefix(std::string_view text) {
  // Only the last three bytes can begin a character that is cut off.
  const size_t first = text.size() < 3 ? 0 : text.size() - 3;
  for (size_t position = text.size(); position-- > first;) {
    if ((static_cast<unsigned char>(text[position]) & 0xC0) == 0x80) continue;
    const Utf8Unit unit = utf8_unit(text, position);
    const bool cut = unit.incomplete && position + unit.length == text.size();
    return cut ? position : text.size();
  }
  return text.size();
}

void append_utf8(std::string& text, char32_t character) {
  utf8proc_uint8_t bytes[4];
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(character), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
}

char32_t utf8_at(std::string_view text, size_t position) {
  utf8proc_int32_t character = 0;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + position),
                   static_cast<utf8proc_ssize_t>(text.size() - position), &character);
  return static_cast<char32_t>(character);
}

size_t utf8_previous(std::string_view text, size_t position) {
  do {
    --position;
  } while (position > 0 && (static_cast<unsigned char>(text[position]) & 0xC0) == 0x80);
  return position;
}

bool is_white_space(char32_t c) {
  return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_word_character(char32_t c) {
  if (c == 0x200C || c == 0x200D) return true;
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return is_letter(category) || is_mark(category) || category == UTF8PROC_CATEGORY_ND ||
         category == UTF8PROC_CATEGORY_NL || category == UTF8PROC_CATEGORY_PC;
}

bool is_letter_or_number(char32_t c) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return is_letter(category) || is_number(category);
}

bool is_decimal_digit(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND;
}

bool is_east_asian(char32_t c) {
  constexpr std::array<std::pair<char32_t, char32_t>, 7> kBlocks = {{
      {0x2E80, 0xA4CF},    // radicals, punctuation, kana, ideographs, Yi
      {0xA960, 0xA97F},    // Hangul
      {0xAC00, 0xD7FF},    // Hangul
      {0xF900, 0xFAFF},    // compatibility ideographs
      {0xFE30, 0xFE4F},    // compatibility forms
      {0xFF61, 0xFFDC},    // half-width kana and Hangul
      {0x20000, 0x3FFFF},  // supplementary ideographs
  }};
  return std::ranges::any_of(
      kBlocks, [c](const auto& block) { return c >= block.first && c <= block.second; });
}

std::string lower_utf8(std::string_view text) {
  std::string lower;
  lower.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const Utf8Unit unit = utf8_unit(text, i);
    const char32_t c = unit.valid ? utf8_at(text, i) : U'\uFFFD';
    i += unit.length;
    if (c == U'\u0130') {
      lower += "i\u0307";  // the one character whose lower case is two
    } else {
      append_utf8(lower, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
    }
  }
  return lower;
}

std::u32string utf8_characters(std::string_view text) {
  std::u32string characters;
  characters.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const Utf8Unit unit = utf8_unit(text, i);
    characters += unit.valid ? utf8_at(text, i) : U'\uFFFD';
    i += unit.length;
  }
  return characters;
}

namespace {

// The byte that Windows-1252, or Latin-1 where that has none, writes a character beyond ASCII as;
// 0: none.
unsigned char western_byte(char32_t c) {
  // 0x80 to 0x9F.
  constexpr std::u32string_view kWindows =
      U"\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d"
      U"\u008f"
      U"\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e"
      U"\u0178";
  if (c >= 0x80 && c <= 0xff) return static_cast<unsigned char>(c);
  const size_t place = c > 0xff ? kWindows.find(c) : std::u32string_view::npos;
  return place == std::u32string_view::npos ? 0 : static_cast<unsigned char>(0x80 + place);
}

}  // namespace

bool looks_decoded_twice(std::string_view text) {
  // Bytes of one more character: a first one, and as many continuations as it announces. Two-byte
  // characters beyond U+00FF are left out, whose bytes real texts may have side by side ("É»").
  int wanted = 0;
  for (const char32_t c : utf8_characters(text)) {
    const unsigned char byte = western_byte(c);
    if (wanted > 0 && (byte & 0xc0) == 0x80) {
      if (--wanted == 0) return true;
    } else {
      wanted = byte == 0xc2 || byte == 0xc3 ? 1 : (byte & 0xf0) == 0xe0 ? 2 : byte == 0xf0 ? 3 : 0;
    }
  }
  return false;
}

std::string normalize_utf8(std::string_view text, NormalForm form) {
  if (text.empty()) return {};
  int options = UTF8PROC_STABLE;
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) options |= UTF8PROC_COMPOSE;
  if (form == NormalForm::kNfd || form == NormalForm::kNfkd) options |= UTF8PROC_DECOMPOSE;
  if (form == NormalForm::kNfkc || form == NormalForm::kNfkd) options |= UTF8PROC_COMPAT;
  utf8proc_uint8_t* mapped = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                                   static_cast<utf8proc_option_t>(options));
  if (length < 0) {
    throw Error(ErrorKind::kInternal,
                fmt::format("[text] normal form failed: {}", utf8proc_errmsg(length)));
  }
  std::string result(reinterpret_cast<const char*>(mapped), static_cast<size_t>(length));
  std::free(mapped);
  return result;
}

}  // namespace ilora
