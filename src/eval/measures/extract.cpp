#include "eval/measures/extract.h"

#include <array>
#include <cctype>
#include <cstdlib>

#include "text/utf8.h"

namespace ilora {
namespace {

// The white space characters of Unicode beyond ASCII that texts end with.
constexpr std::array<std::string_view, 4> kWideSpaces = {"\u00a0", "\u3000", "\u2003", "\ufeff"};
constexpr std::array<std::string_view, 8> kOpenings = {"(", "[", "\"", "'", "（", "【", "“", "「"};

bool digit(char c) {
  return c >= '0' && c <= '9';
}

// Three digits and no fourth: a comma in front of them groups thousands ("1,234"); another one is a
// decimal comma or the end of a clause.
bool thousands_follow(std::string_view text) {
  return text.size() >= 3 && digit(text[0]) && digit(text[1]) && digit(text[2]) &&
         (text.size() == 3 || !digit(text[3]));
}

bool ends_with_letter(std::string_view text) {
  return !text.empty() && std::isalnum(static_cast<unsigned char>(text.back())) != 0;
}

constexpr std::string_view kMinus = "\u2212";  // the mathematical sign

// Bytes of a minus sign that ends at `at`; 0: none.
size_t sign_before(std::string_view text, size_t at) {
  const std::string_view before = text.substr(0, at);
  return before.ends_with('-') ? 1 : before.ends_with(kMinus) ? kMinus.size() : 0;
}

bool abcd(char c) {
  return c >= 'A' && c <= 'D';
}

}  // namespace

std::string trimmed(std::string_view t) {
  for (bool cut = true; cut;) {
    cut = false;
    while (!t.empty() && std::isspace(static_cast<unsigned char>(t.front())) != 0)
      t.remove_prefix(1), cut = true;
    while (!t.empty() && std::isspace(static_cast<unsigned char>(t.back())) != 0)
      t.remove_suffix(1), cut = true;
    for (const std::string_view space : kWideSpaces) {
      if (t.starts_with(space)) t.remove_prefix(space.size()), cut = true;
      if (t.ends_with(space)) t.remove_suffix(space.size()), cut = true;
    }
  }
  return std::string(t);
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
  const auto next = static_cast<unsigned char>(text[at]);
  if (next < 0x80) return std::isalnum(next) == 0;
  // A Chinese character may follow directly: such text puts no space there.
  constexpr char32_t kFirstEastAsian = 0x2E80;
  const char32_t character = utf8_at(text, at);
  return character >= kFirstEastAsian || !is_word_character(character);
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
  const size_t begin = text.find_first_of("0123456789");
  if (begin == std::string_view::npos) return {};
  size_t end = begin;
  while (end < text.size() && digit(text[end])) ++end;
  if (end < text.size() && text[end] == '.') {
    ++end;
    while (end < text.size() && digit(text[end])) ++end;
  }
  return std::string(text.substr(begin, end - begin));
}

std::string first_number(std::string_view text) {
  size_t begin = text.find_first_of("0123456789");
  if (begin == std::string_view::npos) return {};
  const auto before = [&](size_t at) { return text.substr(0, at); };
  // ".5" is a number without its zero, "v.5" is not.
  if (before(begin).ends_with('.') && !ends_with_letter(before(begin - 1))) --begin;
  // "COVID-19" has a hyphen, "x = -19" a sign.
  const size_t sign = sign_before(text, begin);
  std::string number = sign > 0 && !ends_with_letter(before(begin - sign)) ? "-" : "";
  bool point = false;
  for (size_t i = begin; i < text.size(); ++i) {
    const bool more = i + 1 < text.size() && digit(text[i + 1]);
    if (digit(text[i])) {
      number += text[i];
    } else if (text[i] == '.' && !point && more) {
      number += '.';
      point = true;
    } else if (text[i] != ',' || point || !thousands_follow(text.substr(i + 1))) {
      break;
    }
  }
  return number;
}

std::string number_strict(std::string_view text) {
  const std::string all = trimmed(text);
  // With the sign and without the commas, as first_number writes it.
  std::string plain;
  for (const char c : all.starts_with(kMinus) ? all.substr(kMinus.size()) : all) {
    if (c != ',') plain += c;
  }
  if (all.starts_with(kMinus)) plain.insert(plain.begin(), '-');
  const std::string number = first_number(all);
  return number == plain ? number : "";
}

bool same_number(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return false;
  return a == b || std::strtod(a.c_str(), nullptr) == std::strtod(b.c_str(), nullptr);
}

}  // namespace ilora
