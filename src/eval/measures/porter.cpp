#include "eval/measures/porter.h"

#include <array>
#include <span>
#include <string_view>
#include <utility>

namespace ilora {
namespace {

// ---- the paper's conditions -----------------------------------------------------------------

// Whether a letter is a consonant, given whether the one before it is: a y is one unless it follows
// one. Digits count as consonants. `before` is false for the first letter.
bool consonant_after(bool before, char c) {
  if (c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u') return false;
  return c != 'y' || !before;
}

bool consonant(std::string_view word, size_t at) {
  bool flag = false;
  for (size_t i = 0; i <= at; ++i) flag = consonant_after(flag, word[i]);
  return flag;
}

bool has_vowel(std::string_view stem) {
  bool flag = false;
  for (const char c : stem) {
    flag = consonant_after(flag, c);
    if (!flag) return true;
  }
  return false;
}

// m: how often a vowel is followed by a consonant.
int measure(std::string_view stem) {
  int m = 0;
  bool flag = false;
  for (size_t i = 0; i < stem.size(); ++i) {
    const bool now = consonant_after(flag, stem[i]);
    if (i > 0 && !flag && now) ++m;
    flag = now;
  }
  return m;
}

bool ends_in_double_consonant(std::string_view stem) {
  return stem.size() >= 2 && stem.back() == stem[stem.size() - 2] &&
         consonant(stem, stem.size() - 1);
}

// *o: consonant, vowel, consonant, the last not w, x or y; or (NLTK) a vowel and a consonant alone.
bool ends_short(std::string_view stem) {
  const size_t n = stem.size();
  if (n == 2) return !consonant(stem, 0) && consonant(stem, 1);
  return n >= 3 && consonant(stem, n - 3) && !consonant(stem, n - 2) && consonant(stem, n - 1) &&
         stem.back() != 'w' && stem.back() != 'x' && stem.back() != 'y';
}

// ---- the steps ------------------------------------------------------------------------------

struct Rule {
  std::string_view suffix, replacement;
};

std::string with(std::string_view stem, std::string_view ending) {
  return std::string(stem) + std::string(ending);
}

// Applies the first rule whose suffix fits, if its stem's measure is above `least`; the first that
// fits decides, whether it applies or not.
std::string first_fitting(const std::string& word, std::span<const Rule> rules, int least) {
  for (const Rule& rule : rules) {
    if (!word.ends_with(rule.suffix)) continue;
    const std::string_view stem =
        std::string_view(word).substr(0, word.size() - rule.suffix.size());
    if (measure(stem) <= least) return word;
    // Only step 4 has this rule, and only behind s or t.
    if (rule.suffix == "ion" && stem.back() != 's' && stem.back() != 't') return word;
    return with(stem, rule.replacement);
  }
  return word;
}

std::string plural(std::string word) {  // 1a
  const auto cut = [&word](size_t letters) { return word.substr(0, word.size() - letters); };
  if (word.ends_with("ies")) return cut(word.size() == 4 ? 1 : 2);  // NLTK: dies, die; flies, fli
  if (word.ends_with("sses")) return cut(2);
  if (word.ends_with("s") && !word.ends_with("ss")) return cut(1);
  return word;
}

// What step 1b does once -ed or -ing is gone.
std::string mend(std::string stem) {
  for (const char* ending : {"at", "bl", "iz"}) {
    if (stem.ends_with(ending)) return stem + "e";
  }
  if (ends_in_double_consonant(stem)) {
    const char last = stem.back();
    if (last != 'l' && last != 's' && last != 'z') stem.pop_back();
    return stem;
  }
  return measure(stem) == 1 && ends_short(stem) ? stem + "e" : stem;
}

std::string past_and_progressive(const std::string& word) {  // 1b
  const std::string_view all = word;
  if (word.ends_with("ied")) return word.substr(0, word.size() - (word.size() == 4 ? 1 : 2));
  if (word.ends_with("eed"))
    return measure(all.substr(0, all.size() - 3)) > 0 ? word.substr(0, word.size() - 1) : word;
  for (const std::string_view suffix : {"ed", "ing"}) {
    if (!word.ends_with(suffix)) continue;
    const std::string_view stem = all.substr(0, all.size() - suffix.size());
    if (has_vowel(stem)) return mend(std::string(stem));
  }
  return word;
}

std::string y_to_i(std::string word) {  // 1c, NLTK's: behind a consonant that is not the first
  if (word.size() > 2 && word.back() == 'y' && consonant(word, word.size() - 2)) word.back() = 'i';
  return word;
}

constexpr std::array<Rule, 21> kStep2 = {{
    {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"},
    {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"}, {"eli", "e"},     {"ousli", "ous"},
    {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},  {"alism", "al"},  {"iveness", "ive"},
    {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},  {"iviti", "ive"}, {"biliti", "ble"},
    {"fulli", "ful"},
}};
constexpr std::array<Rule, 7> kStep3 = {{
    {"icate", "ic"},
    {"ative", ""},
    {"alize", "al"},
    {"iciti", "ic"},
    {"ical", "ic"},
    {"ful", ""},
    {"ness", ""},
}};
constexpr std::array<Rule, 19> kStep4 = {{
    {"al", ""},  {"ance", ""},  {"ence", ""}, {"er", ""},  {"ic", ""},  {"able", ""}, {"ible", ""},
    {"ant", ""}, {"ement", ""}, {"ment", ""}, {"ent", ""}, {"ion", ""}, {"ou", ""},   {"ism", ""},
    {"ate", ""}, {"iti", ""},   {"ous", ""},  {"ive", ""}, {"ize", ""},
}};

std::string double_suffixes(const std::string& word) {  // 2
  const std::string_view all = word;
  // NLTK: -alli first, and what is left once more.
  if (word.ends_with("alli") && measure(all.substr(0, all.size() - 4)) > 0)
    return double_suffixes(word.substr(0, word.size() - 2));
  for (const Rule& rule : kStep2) {
    if (word.ends_with(rule.suffix)) return first_fitting(word, {&rule, 1}, 0);
  }
  // The l of -logi counts as the stem's, so that geologi is cut like archaeologi.
  if (word.ends_with("logi") && measure(all.substr(0, all.size() - 3)) > 0)
    return word.substr(0, word.size() - 1);
  return word;
}

std::string final_e_and_l(std::string word) {  // 5a, 5b
  if (word.ends_with("e")) {
    const std::string_view stem = std::string_view(word).substr(0, word.size() - 1);
    const int m = measure(stem);
    if (m > 1 || (m == 1 && !ends_short(stem))) word.pop_back();
  }
  if (word.ends_with("ll") && measure(std::string_view(word).substr(0, word.size() - 1)) > 1)
    word.pop_back();
  return word;
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kIrregular = {{
    {"sky", "sky"},
    {"skies", "sky"},
    {"dying", "die"},
    {"lying", "lie"},
    {"tying", "tie"},
    {"news", "news"},
    {"innings", "inning"},
    {"inning", "inning"},
    {"outings", "outing"},
    {"outing", "outing"},
    {"cannings", "canning"},
    {"canning", "canning"},
    {"howe", "howe"},
    {"proceed", "proceed"},
    {"exceed", "exceed"},
    {"succeed", "succeed"},
}};

}  // namespace

std::string porter_stem(const std::string& word) {
  for (const auto& [form, stem] : kIrregular) {
    if (word == form) return std::string(stem);
  }
  if (word.size() <= 2) return word;
  std::string stem = y_to_i(past_and_progressive(plural(word)));
  stem = first_fitting(double_suffixes(stem), kStep3, 0);
  return final_e_and_l(first_fitting(stem, kStep4, 1));
}

}  // namespace ilora
