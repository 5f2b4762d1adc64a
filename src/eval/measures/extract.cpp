#include "eval/measures/extract.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "eval/measures/plain_digits.h"
#include "eval/measures/words.h"
#include "text/utf8.h"

namespace ilora {
namespace {

constexpr std::array<std::string_view, 8> kOpenings = {"(", "[", "\"", "'", "（", "【", "“", "「"};

bool digit(char c) {
  return c >= '0' && c <= '9';
}

// A comma groups thousands ("1,234") where at most three digits stand before the first one, no 0 in
// front, and three and no fourth behind it; another is a decimal comma or the end of a clause.
bool may_be_grouped(std::string_view digits) {
  return digits.size() <= 3 && digits.front() != '0';
}
bool thousands_follow(std::string_view text) {
  return text.size() >= 3 && digit(text[0]) && digit(text[1]) && digit(text[2]) &&
         (text.size() == 3 || !digit(text[3]));
}

// A letter or number that a word goes on with. East Asian ones do not count: such text has no
// spaces, so anything may follow them.
bool binds(char32_t c) {
  return is_letter_or_number(c) && !is_east_asian(c);
}

bool ends_with_letter(std::string_view text) {
  return !text.empty() && binds(utf8_at(text, utf8_previous(text, text.size())));
}

constexpr std::string_view kMinus = "\u2212";  // the mathematical sign

// Bytes of a minus sign that ends at `at`; 0: none.
size_t sign_before(std::string_view text, size_t at) {
  const std::string_view before = text.substr(0, at);
  return before.ends_with('-') ? 1 : before.ends_with(kMinus) ? kMinus.size() : 0;
}

// Bytes of a sign of currency that ends at `at`; 0: none.
size_t currency_before(std::string_view text, size_t at) {
  constexpr std::array<std::string_view, 5> kCurrencies = {"$", "€", "£", "¥", "₹"};
  for (const std::string_view currency : kCurrencies) {
    if (text.substr(0, at).ends_with(currency)) return currency.size();
  }
  return 0;
}

size_t digits_at(std::string_view text, size_t at) {
  size_t count = 0;
  while (at + count < text.size() && digit(text[at + count])) ++count;
  return count;
}

// "e-3" behind a number's digits; a letter that follows makes it a word.
std::string_view exponent_at(std::string_view text, size_t at) {
  if (at >= text.size() || (text[at] != 'e' && text[at] != 'E')) return {};
  const bool sign = at + 1 < text.size() && (text[at + 1] == '-' || text[at + 1] == '+');
  const size_t count = digits_at(text, at + 1 + sign);
  const size_t length = 1 + sign + count;
  return count > 0 && word_ends(text, at + length) ? text.substr(at, length) : "";
}

// "/3" behind the whole number [begin,at): of a fraction, not of a date or a path.
std::string_view divisor_at(std::string_view text, size_t begin, size_t at) {
  if (at >= text.size() || text[at] != '/' || digits_at(text, begin) != at - begin) return {};
  if (text.substr(0, begin).ends_with('/')) return {};
  const size_t count = digits_at(text, at + 1), end = at + 1 + count;
  const bool goes_on = end < text.size() && (text[end] == '/' || !word_ends(text, end) ||
                                             (text[end] == '.' && digits_at(text, end + 1) > 0));
  return count > 0 && !goes_on ? text.substr(at, end - at) : "";
}

// A whole number [begin,at) and a proper fraction after a space, " 1/2", as one fraction; `end` is behind it. Empty where
// there is none, or one of more digits than people write there.
std::string mixed_at(std::string_view text, size_t begin, size_t at, size_t& end) {
  constexpr size_t kMost = 9;
  const size_t first = at + 1, digits = digits_at(text, first);
  if (at >= text.size() || text[at] != ' ' || digits == 0 || at - begin > kMost) return {};
  const std::string_view divisor = divisor_at(text, first, first + digits);
  if (divisor.empty() || digits > kMost || divisor.size() > kMost + 1) return {};
  const auto number = [](std::string_view digit_text) {
    return std::stoll(std::string(digit_text));
  };
  const int64_t whole = number(text.substr(begin, at - begin)),
                part = number(text.substr(first, digits)), of = number(divisor.substr(1));
  if (part >= of) return {};
  end = first + digits + divisor.size();
  return fmt::format("{}/{}", whole * of + part, of);
}

struct FoundNumber {
  std::string text;           // as first_number() gives it
  size_t begin = 0, end = 0;  // with its sign
  bool currency = false;      // one stands before it
};

FoundNumber find_number(std::string_view text) {
  FoundNumber found;
  size_t begin = text.find_first_of("0123456789");
  if (begin == std::string_view::npos) return found;
  const auto before = [&](size_t at) { return text.substr(0, at); };
  // ".5" is a number without its zero, "v.5" is not.
  if (before(begin).ends_with('.') && !ends_with_letter(before(begin - 1))) --begin;
  // "COVID-19" has a hyphen, "x = -19" a sign, and so has "-$19".
  const size_t front = begin - currency_before(text, begin);
  const size_t sign = sign_before(text, front);
  const bool negative = sign > 0 && !ends_with_letter(before(front - sign));
  found.begin = negative ? front - sign : begin;
  found.currency = front != begin;
  if (negative) found.text += '-';
  const size_t whole = std::min(text.find_first_not_of("0123456789", begin), text.size());
  if (const std::string mixed = mixed_at(text, begin, whole, found.end); !mixed.empty()) {
    found.text += mixed;
    return found;
  }
  const bool grouped = whole > begin && may_be_grouped(text.substr(begin, whole - begin));
  bool point = false;
  size_t i = begin;
  for (; i < text.size(); ++i) {
    const bool more = i + 1 < text.size() && digit(text[i + 1]);
    if (digit(text[i])) {
      found.text += text[i];
    } else if (text[i] == '.' && !point && more) {
      found.text += '.';
      point = true;
    } else if (text[i] != ',' || point || !grouped || !thousands_follow(text.substr(i + 1))) {
      break;
    }
  }
  const std::string_view exponent = exponent_at(text, i), divisor = divisor_at(text, begin, i);
  found.text += exponent;
  found.text += divisor;
  found.end = i + exponent.size() + divisor.size();
  return found;
}

bool abcd(char c) {
  return c >= 'A' && c <= 'D';
}

}  // namespace

std::string trimmed(std::string_view text) {
  const auto space = [](char32_t c) { return is_python_space(c) || c == 0xFEFF; };  // and a BOM
  while (!text.empty() && space(utf8_at(text, 0))) text.remove_prefix(utf8_unit(text, 0).length);
  while (!text.empty()) {
    const size_t last = utf8_previous(text, text.size());
    if (!space(utf8_at(text, last))) break;
    text = text.substr(0, last);
  }
  return std::string(text);
}

std::string choice_reference(std::string_view text) {
  const size_t at = text.find_first_of("ABCD");
  return at == std::string_view::npos ? "" : std::string(1, text[at]);
}

std::string choice_first(std::string_view text) {
  return !text.empty() && abcd(text.front()) ? std::string(1, text.front()) : "";
}

std::string choice_strict(std::string_view text) {
  const std::string all = trimmed(text);
  std::string_view rest = all;
  for (const std::string_view opening : kOpenings) {
    if (!rest.starts_with(opening)) continue;
    rest.remove_prefix(opening.size());
    break;
  }
  if (rest.empty() || rest.front() < 'A' || rest.front() > 'Z') return {};
  return word_ends(rest, 1) ? std::string(1, rest.front()) : "";
}

bool word_ends(std::string_view text, size_t at) {
  if (at >= text.size()) return true;
  const char32_t next = utf8_at(text, at);
  if (next < 0x80) return !binds(next);
  return is_east_asian(next) || !is_word_character(next);
}

size_t letters_offered(std::string_view prompt) {
  size_t count = 0;
  for (size_t begin = 0; begin < prompt.size();) {
    const std::string_view line = prompt.substr(begin, prompt.find('\n', begin) - begin);
    begin += line.size() + 1;
    if (line.size() < 2 || std::string_view(".:)").find(line[1]) == std::string_view::npos)
      continue;
    if (line[0] == 'A') count = 0;
    if (line[0] == static_cast<char>('A' + count)) ++count;
  }
  return count;
}

std::string number_reference(std::string_view text) {
  const auto digit_at = [&](size_t at) {
    return at < text.size() && is_decimal_digit(utf8_at(text, at));
  };
  const auto length = [&](size_t at) { return utf8_unit(text, at).length; };
  size_t begin = 0;
  while (begin < text.size() && !digit_at(begin)) begin += length(begin);
  size_t end = begin;
  while (digit_at(end)) end += length(end);
  if (end > begin && end < text.size() && text[end] == '.') {
    ++end;
    while (digit_at(end)) end += length(end);
  }
  return std::string(text.substr(begin, end - begin));
}

std::string first_number(std::string_view text) {
  return find_number(plain_digits(text)).text;
}

std::string number_strict(std::string_view text) {
  const std::string all = trimmed(plain_digits(text));
  const FoundNumber found = find_number(all);
  return found.begin == 0 && found.end == all.size() && !found.currency ? found.text : "";
}

}  // namespace ilora
