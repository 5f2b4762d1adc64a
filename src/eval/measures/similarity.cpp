#include "eval/measures/similarity.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "eval/measures/lcs.h"
#include "eval/measures/words.h"
#include "text/normalizer.h"
#include "text/utf8.h"

namespace ilora {
namespace {

bool punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

// English articles replaced by a space, where letters or digits of no script touch them.
std::string without_articles(const std::string& text) {
  std::string result, word;
  const auto end_word = [&] {
    result += word == "a" || word == "an" || word == "the" ? " " : word;
    word.clear();
  };
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_unit(text, i).length;
    if (is_letter_or_number(utf8_at(text, i))) {
      word += text.substr(i, length);
    } else {
      end_word();
      result += text.substr(i, length);
    }
    i += length;
  }
  end_word();
  return result;
}

}  // namespace

double edit_similarity(const std::string& a, const std::string& b) {
  const std::u32string first = utf8_characters(a), second = utf8_characters(b);
  if (first.empty() && second.empty()) return 1;
  return 2 * static_cast<double>(longest_common_subsequence(first, second)) /
         static_cast<double>(first.size() + second.size());
}

std::string plain_literals(const std::string& code) {
  std::string text = replace_all(code, "<NUM_LIT>", "0");
  text = replace_all(replace_all(text, "<STR_LIT>", ""), "<CHAR_LIT>", "");
  // TRACE finds all literals first and then writes each out wherever it stands.
  std::vector<std::pair<std::string, std::string>> literals;
  for (size_t at = 0; at < text.size();) {
    size_t next = at + 1;
    for (const std::string_view opening : {"<STR_LIT:", "<NUM_LIT:", "<CHAR_LIT:"}) {
      if (text.compare(at, opening.size(), opening) != 0) continue;
      const size_t inner = at + opening.size(), end = text.find('>', inner);
      if (end == std::string::npos) continue;
      literals.emplace_back(text.substr(at, end + 1 - at), text.substr(inner, end - inner));
      next = end + 1;
    }
    at = next;
  }
  for (const auto& [literal, inner] : literals) text = replace_all(text, literal, inner);
  return text;
}

std::string squad_normal(const std::string& text) {
  std::string plain;
  for (const char c : lower_utf8(text)) {
    if (!punctuation(c)) plain += c;
  }
  std::string result;
  for (const std::string& word : split_words(without_articles(plain))) {
    if (!result.empty()) result += ' ';
    result += word;
  }
  return result;
}

double token_f1(const std::string& given, const std::string& expected) {
  const Words said = split_words(squad_normal(given)), right = split_words(squad_normal(expected));
  if (said.empty() || right.empty()) return said.empty() && right.empty() ? 1 : 0;
  double common = 0;
  const NgramCounts there = count_ngrams(right, 1);
  for (const auto& [word, count] : count_ngrams(said, 1)) {
    const auto found = there.find(word);
    if (found != there.end()) common += static_cast<double>(std::min(count, found->second));
  }
  return f1(common, said.size(), right.size());
}

}  // namespace ilora
