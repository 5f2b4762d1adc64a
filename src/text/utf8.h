// UTF-8: where characters end, what is invalid, and what stands in its place.
//
// Called by the tokenizer, by what reads text files, and by the measures.
// Invalid bytes follow Unicode 15, section 3.9, "U+FFFD substitution of maximal subparts": one
// U+FFFD for each longest prefix of a well-formed character, and one for each byte that cannot
// begin one. Python's bytes.decode(errors="replace") and Rust's from_utf8_lossy do the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ilora {

// What begins at a byte: a well-formed character, or bytes to be replaced by one U+FFFD.
struct Utf8Unit {
  size_t length;    // bytes, at least 1
  bool valid;       // a well-formed character
  bool incomplete;  // not valid only because the text ends here: more bytes could make it a
                    // character
};
Utf8Unit utf8_unit(std::string_view text, size_t position);  // position < text.size()

// The position of the first byte that is not part of well-formed UTF-8, text.size() where there is
// none.
size_t find_invalid_utf8(std::string_view text);
// The text with invalid bytes replaced as said above.
std::string replace_invalid_utf8(std::string_view text);
// How many bytes come before a character that the end of the text cuts off (text.size() where none
// is cut off).
size_t utf8_complete_prefix(std::string_view text);

// The functions below expect well-formed UTF-8.
void append_utf8(std::string& text, char32_t character);
char32_t utf8_at(std::string_view text, size_t position);  // the character that begins there
// The start of the last character before `position` (> 0).
size_t utf8_previous(std::string_view text, size_t position);
bool is_white_space(char32_t character);  // the Unicode property White_Space
bool is_word_character(
    char32_t character);  // letter, mark, decimal or letter number, connector, joiner
bool is_letter_or_number(char32_t character);  // categories L and N
bool is_decimal_digit(char32_t character);     // of any script: category Nd
// Whether the character is of a script of East Asia (Chinese, kana, Hangul and their punctuation),
// in whose texts a word may end without a space.
bool is_east_asian(char32_t character);

// Lower case as Python's str.lower() gives it, but for the capital sigma at the end of a word.
std::string lower_utf8(std::string_view text);
// The characters of a text, invalid bytes as U+FFFD.
std::u32string utf8_characters(std::string_view text);

// Whether the text holds UTF-8 that was read as Latin-1 or Windows-1252 and encoded once more: "Ã¼"
// for "ü", "â€™" for an apostrophe.
bool looks_decoded_twice(std::string_view text);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
std::string normalize_utf8(std::string_view text, NormalForm form);

}  // namespace ilora
