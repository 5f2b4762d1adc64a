#include "eval/measures/words.h"

#include <array>

#include "text/normalizer.h"
#include "text/utf8.h"

namespace ilora {
namespace {

bool digit(char c) {
  return c >= '0' && c <= '9';
}

// Punctuation that always stands alone: all of ASCII's but ' , - . and letters and digits.
bool separate(char c) {
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') ||
         (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
}

bool stop_or_comma(char c) {
  return c == '.' || c == ',';
}

// Rewrites each pair of neighbouring bytes for which `matches` holds, from the left, each byte in
// one pair at most. Bytes are enough: a character beyond ASCII is "not a digit" whatever its bytes.
template <class Matches, class Write>
std::string rewrite_pairs(const std::string& text, Matches matches, Write write) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    if (i + 1 < text.size() && matches(text[i], text[i + 1])) {
      write(result, text[i], text[i + 1]);
      i += 2;
    } else {
      result += text[i++];
    }
  }
  return result;
}

std::string joined(const Words& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

// The last step of 13a and of zh: four rewrites in this order, then one space between words.
std::string separate_punctuation(std::string_view line) {
  std::string text;
  for (const char c : line) {
    if (separate(c)) {
      text += ' ';
      text += c;
      text += ' ';
    } else {
      text += c;
    }
  }
  text = rewrite_pairs(
      text, [](char a, char b) { return !digit(a) && stop_or_comma(b); },
      [](std::string& out, char a, char b) {
        out += a;
        out += ' ';
        out += b;
        out += ' ';
      });
  text = rewrite_pairs(
      text, [](char a, char b) { return stop_or_comma(a) && !digit(b); },
      [](std::string& out, char a, char b) {
        out += ' ';
        out += a;
        out += ' ';
        out += b;
      });
  text = rewrite_pairs(
      text, [](char a, char b) { return digit(a) && b == '-'; },
      [](std::string& out, char a, char b) {
        out += a;
        out += ' ';
        out += b;
        out += ' ';
      });
  return joined(split_words(text));
}

struct Range {
  char32_t first, last;
};

// sacreBLEU's ranges. Two of them are meant for the supplementary planes, but are written
// '\u20000'..'\u2a6d6' and '\u2f800'..'\u2fa1d', which in Python compares as U+2001..U+2A6D and
// U+2F81..U+2FA1; agreement asks for what it does.
constexpr std::array<Range, 22> kChinese = {{
    {0x3400, 0x4DB5}, {0x4E00, 0x9FA5}, {0x9FA6, 0x9FBB}, {0xF900, 0xFA2D}, {0xFA30, 0xFA6A},
    {0xFA70, 0xFAD9}, {0x2001, 0x2A6D}, {0x2F81, 0x2FA1}, {0xFF00, 0xFFEF}, {0x2E80, 0x2EFF},
    {0x3000, 0x303F}, {0x31C0, 0x31EF}, {0x2F00, 0x2FDF}, {0x2FF0, 0x2FFF}, {0x3100, 0x312F},
    {0x31A0, 0x31BF}, {0xFE10, 0xFE1F}, {0xFE30, 0xFE4F}, {0x2600, 0x26FF}, {0x2700, 0x27BF},
    {0x3200, 0x32FF}, {0x3300, 0x33FF},
}};

bool chinese(char32_t c) {
  for (const Range& range : kChinese) {
    if (c >= range.first && c <= range.last) return true;
  }
  return false;
}

std::string_view without_leading_space(std::string_view text) {
  size_t begin = 0;
  while (begin < text.size() && is_python_space(utf8_at(text, begin)))
    begin += utf8_unit(text, begin).length;
  return text.substr(begin);
}

}  // namespace

bool is_python_space(char32_t c) {
  return is_white_space(c) || (c >= 0x1C && c <= 0x1F);
}

Words split_words(std::string_view text) {
  Words words;
  std::string word;
  for (size_t i = 0; i < text.size();) {
    const Utf8Unit unit = utf8_unit(text, i);
    if (unit.valid && is_python_space(utf8_at(text, i))) {
      if (!word.empty()) words.push_back(std::move(word));
      word.clear();
    } else {
      word += text.substr(i, unit.length);
    }
    i += unit.length;
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

std::string without_final_space(std::string_view text) {
  while (!text.empty()) {
    const size_t last = utf8_previous(text, text.size());
    if (!is_python_space(utf8_at(text, last))) break;
    text = text.substr(0, last);
  }
  return std::string(text);
}

std::string tokenize_13a(std::string_view text) {
  std::string line = replace_all(text, "<skipped>", "");
  line = replace_all(line, "-\n", "");
  line = replace_all(line, "\n", " ");
  line = replace_all(line, "&quot;", "\"");
  line = replace_all(line, "&amp;", "&");
  line = replace_all(line, "&lt;", "<");
  line = replace_all(line, "&gt;", ">");
  return separate_punctuation(" " + line + " ");
}

std::string tokenize_zh(std::string_view text) {
  const std::string stripped = without_final_space(without_leading_space(text));
  std::string line;
  for (const char32_t c : utf8_characters(stripped)) {
    const bool alone = chinese(c);
    if (alone) line += ' ';
    append_utf8(line, c);
    if (alone) line += ' ';
  }
  return separate_punctuation(line);
}

double f1(double common, size_t given, size_t expected) {
  if (common == 0) return 0;
  const double precision = common / static_cast<double>(given);
  const double recall = common / static_cast<double>(expected);
  return 2 * precision * recall / (precision + recall);
}

NgramCounts count_ngrams(const Words& words, size_t n) {
  NgramCounts counts;
  for (size_t i = 0; i + n <= words.size(); ++i) {
    std::string ngram = words[i];
    for (size_t k = 1; k < n; ++k) ngram += ' ' + words[i + k];
    ++counts[ngram];
  }
  return counts;
}

}  // namespace ilora
