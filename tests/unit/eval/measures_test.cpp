// Measures against the programs they agree with (tests/golden/make_measures.py), and what is read
// out of texts against examples.
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "base/json.h"
#include "eval/measures/bleu.h"
#include "eval/measures/extract.h"
#include "eval/measures/lcs.h"
#include "eval/measures/measure.h"
#include "eval/measures/number.h"
#include "eval/measures/porter.h"
#include "eval/measures/similarity.h"

namespace ilora {
namespace {

const std::filesystem::path kFolder =
    std::filesystem::path(ILORA_SOURCE_DIR) / "tests" / "golden" / "measures";

struct Pair {
  std::string kind, given;
  Example row;
};

class Golden : public testing::Test {
 protected:
  Golden() {
    for (const Json& pair : read_json(kFolder / "pairs.json"))
      pairs_.push_back({pair["kind"], pair["given"], {pair["source"], pair["expected"]}});
  }
  double score(const std::string& measure, const Pair& pair) const {
    return find_measure(measure).score({pair.given, pair.row, none_});
  }

  std::vector<Pair> pairs_;
  Json reference_ = read_json(kFolder / "reference.json");
  std::vector<std::string> none_;
};

TEST_F(Golden, EveryScoreAgrees) {
  ASSERT_GE(pairs_.size(), 200U);
  ASSERT_EQ(reference_["values"].size(), pairs_.size());
  for (const char* measure :
       {"rouge-l", "rouge-l-stem", "sari", "bleu", "bleu-zh", "edit-similarity", "code-similarity",
        "token-f1", "exact-normal", "exact"}) {
    std::set<double> different;
    for (size_t i = 0; i < pairs_.size(); ++i) {
      const double ours = score(measure, pairs_[i]);
      different.insert(ours);
      EXPECT_NEAR(ours, reference_["values"][i][measure].get<double>(), 1e-6)
          << measure << ", pair " << i << ": " << pairs_[i].given.substr(0, 200) << "\nexpected "
          << pairs_[i].row.answer.substr(0, 200);
    }
    EXPECT_GE(different.size(), 2U) << measure;
  }
}

TEST_F(Golden, TheReferenceCodesReadingsAgree) {
  for (size_t i = 0; i < pairs_.size(); ++i) {
    const Json& value = reference_["values"][i];
    EXPECT_EQ(choice_reference(pairs_[i].given), value["choice"][0].get<std::string>()) << i;
    EXPECT_EQ(choice_first(pairs_[i].given), value["choice"][1].get<std::string>()) << i;
    EXPECT_EQ(number_reference(pairs_[i].given), value["number"].get<std::string>()) << i;
  }
}

TEST_F(Golden, CorpusBleuAgrees) {
  for (const auto& [kind, scores] : reference_["corpora"].items()) {
    std::vector<Answered> answers;
    for (const Pair& pair : pairs_) {
      if (kind == "all" || kind == pair.kind) answers.push_back({pair.given, pair.row, none_});
    }
    for (const char* measure : {"bleu", "bleu-zh"})
      EXPECT_NEAR(find_measure(measure).of_task(answers), scores[measure].get<double>(), 1e-6)
          << kind << " " << measure;
  }
}

TEST_F(Golden, StemsAgree) {
  ASSERT_GE(reference_["stems"].size(), 2000U);
  for (const auto& [word, stem] : reference_["stems"].items())
    EXPECT_EQ(porter_stem(word), stem.get<std::string>()) << word;
}

TEST(Choice, TheReferenceTakesAnyLetterTheStrictOneOnlyAnAnswer) {
  EXPECT_EQ(choice_reference("The answer is B"), "B");
  EXPECT_EQ(choice_reference("Because of C"), "B") << "as that code does";
  EXPECT_EQ(choice_reference("none"), "");
  EXPECT_EQ(choice_first("A\nBecause"), "A");
  EXPECT_EQ(choice_first(" A"), "");
  for (const char* text : {"B", " B\n", "B.", "B) since", "(B) since", "\"B\"", "（B）", "B选项",
                           "B\nBecause it is", "B, not C", "B：对", "\u202fB", "B는"})
    EXPECT_EQ(choice_strict(text), "B") << text;
  for (const char* text :
       {"Because", "The answer is B", "B2", "BC", "b", "", "Bär", "((B", "B１", "B\U00010428"})
    EXPECT_EQ(choice_strict(text), "") << text;
  EXPECT_EQ(choice_strict("E"), "E") << "some questions have five choices";
}

TEST(Number, ReferencePlainAndStrict) {
  EXPECT_EQ(number_reference("it is -3.5 degrees"), "3.5");
  EXPECT_EQ(number_reference("1,234"), "1");
  EXPECT_EQ(number_reference("so 7."), "7.");
  EXPECT_EQ(number_reference("第１２．"), "１２") << "Python's \\d takes digits of any script";
  EXPECT_EQ(number_reference("12３ ٤.٥"), "12３");
  EXPECT_EQ(first_number("it is -3.5 degrees"), "-3.5");
  EXPECT_EQ(first_number("12 or 13"), "12");
  EXPECT_EQ(first_number("1,234,567 people"), "1234567");
  EXPECT_EQ(first_number("3.14.15"), "3.14");
  EXPECT_EQ(first_number("7."), "7");
  EXPECT_EQ(first_number("7, 8"), "7");
  EXPECT_EQ(first_number("a - 7"), "7");
  EXPECT_EQ(first_number("x=-7"), "-7");
  EXPECT_EQ(first_number("1,5 Liter"), "1") << "a decimal comma groups no thousands";
  EXPECT_EQ(first_number("3,4 and 5"), "3");
  EXPECT_EQ(first_number("1,2345"), "1");
  EXPECT_EQ(first_number("1,234.5"), "1234.5");
  EXPECT_EQ(first_number("0,125 Liter"), "0");
  EXPECT_EQ(first_number("1234,567"), "1234") << "more than three digits before the comma";
  EXPECT_EQ(first_number("in 2019,200 people"), "2019");
  EXPECT_EQ(first_number("COVID-19"), "19");
  EXPECT_EQ(first_number("Menü-19"), "19");
  EXPECT_EQ(first_number("温度-3度"), "-3") << "such text has no spaces";
  EXPECT_EQ(first_number("é.5"), "5");
  EXPECT_EQ(first_number("about .5"), ".5");
  EXPECT_EQ(first_number("-.5"), "-.5");
  EXPECT_EQ(first_number("v.5"), "5");
  EXPECT_EQ(first_number("2..5"), "2");
  EXPECT_EQ(first_number("\u22127 degrees"), "-7");
  EXPECT_EQ(first_number("x\u22127"), "7");
  EXPECT_EQ(first_number("none"), "");
  EXPECT_EQ(number_strict(" 1,234.5\n"), "1234.5");
  EXPECT_EQ(number_strict("42\u2009"), "42");
  EXPECT_EQ(number_strict("-7"), "-7");
  EXPECT_EQ(number_strict("\u22127"), "-7");
  EXPECT_EQ(number_strict(".5"), ".5");
  for (const char* text : {"7 apples", "x=7", "7.", "", "7 8", "1.2.3", "1,5", "12,34", "0,125"})
    EXPECT_EQ(number_strict(text), "") << text;
}

TEST(Number, HasAnExponentACurrencyOrADivisor) {
  EXPECT_EQ(first_number("about 1e5 of them"), "1e5");
  EXPECT_EQ(first_number("2.5E-3."), "2.5E-3");
  EXPECT_EQ(first_number("1e5x"), "1") << "a word";
  EXPECT_EQ(first_number("5 e"), "5");
  EXPECT_EQ(first_number("3em"), "3");
  EXPECT_EQ(first_number("-$5"), "-5");
  EXPECT_EQ(first_number("\u2212€1,234.50"), "-1234.50");
  EXPECT_EQ(first_number("a-$5"), "5");
  EXPECT_EQ(first_number("US$ 5"), "5");
  EXPECT_EQ(first_number("1/2 cup"), "1/2");
  EXPECT_EQ(first_number("-3/4."), "-3/4");
  EXPECT_EQ(first_number("1/2/2024"), "1");
  EXPECT_EQ(first_number("1/2.5"), "1");
  EXPECT_EQ(first_number("1.5/2"), "1.5");
  EXPECT_EQ(first_number("1/x"), "1");
  EXPECT_EQ(first_number("1/2nd"), "1");
  EXPECT_EQ(number_strict("1e5"), "1e5");
  EXPECT_EQ(number_strict("1/2"), "1/2");
}

TEST(Number, IsReadAsPeopleTypeIt) {
  EXPECT_EQ(first_number("第１２．"), "12");
  EXPECT_EQ(first_number("－１．５"), "-1.5");
  EXPECT_EQ(first_number("العدد ٤٢"), "42");
  EXPECT_EQ(first_number("½ cup"), "1/2");
  EXPECT_EQ(first_number("3½"), "7/2");
  EXPECT_EQ(first_number("-1 1/2 hours"), "-3/2");
  EXPECT_EQ(first_number("1\u20442"), "1/2");
  EXPECT_EQ(first_number("12 3/2"), "12") << "no proper fraction";
  EXPECT_EQ(first_number("12 3/4/2024"), "12") << "a date";
  EXPECT_EQ(first_number("1.5 1/2"), "1.5");
  EXPECT_EQ(first_number("\xff\xfe 7"), "7");
  EXPECT_EQ(number_strict("１２"), "12");
  EXPECT_EQ(number_strict(" 3½ "), "7/2");
  EXPECT_EQ(number_strict("1 1/2"), "3/2");
  for (const char* text : {"½ cup", "1 1/2 h", "$5", "-$5", "1,234,", "+5"})
    EXPECT_EQ(number_strict(text), "") << text;
}

TEST(Number, ValuesAreComparedExactly) {
  for (const auto& [a, b] : {std::pair{"7", "7.0"},
                             {".5", "0.5"},
                             {"-0", "0"},
                             {"007", "7"},
                             {"1e3", "1000"},
                             {"2.5E-3", "0.0025"},
                             {"1/2", "0.5"},
                             {"2/4", "1/2"},
                             {"-3/4", "-.75"},
                             {"0/3", "0"},
                             {"10/5", "2"},
                             {"0e99999999999999", "0"}}) {
    EXPECT_TRUE(same_number(a, b)) << a << " " << b;
    EXPECT_TRUE(same_number(b, a)) << a << " " << b;
  }
  for (const auto& [a, b] : {std::pair{"7", "7.01"},
                             {"", ""},
                             {"7", ""},
                             {"7", "-7"},
                             {"9007199254740993", "9007199254740992"},
                             {"1/3", "0.333333"},
                             {"1/0", "2/0"},
                             {"1e400", "1e401"},
                             {"1e-400", "0"}})
    EXPECT_FALSE(same_number(a, b)) << a << " " << b;
  EXPECT_FALSE(same_number(std::string(400, '1'), std::string(400, '2')));
  EXPECT_TRUE(same_number(std::string(400, '1') + "/" + std::string(400, '1'), "1"));
}

TEST(Trimmed, TakesWhiteSpaceOffBothEnds) {
  EXPECT_EQ(trimmed("  a b\n"), "a b");
  EXPECT_EQ(trimmed("\u00a0\u3000 a \u2003"), "a");
  EXPECT_EQ(trimmed("\u2009\u202f\u0085\x1c\ufeff a\u2028\x1f\ufeff "), "a");
  EXPECT_EQ(trimmed("\u200ba"), "\u200ba") << "a zero-width space is no white space";
  EXPECT_EQ(trimmed(" \n\t"), "");
  EXPECT_EQ(trimmed(""), "");
}

// Against the plain table, over lengths around the block size of 64.
TEST(LongestCommonSubsequence, EqualsThePlainTable) {
  uint32_t state = 1;
  const auto text = [&state](size_t length) {
    std::string result;
    for (size_t i = 0; i < length; ++i) {
      state = state * 1664525 + 1013904223;
      result += static_cast<char>('a' + (state >> 28) % 5);
    }
    return result;
  };
  for (const size_t n : {0, 1, 63, 64, 65, 127, 128, 129, 200}) {
    for (const size_t m : {0, 1, 64, 100, 300}) {
      const std::string a = text(n), b = text(m);
      std::vector<std::vector<size_t>> table(n + 1, std::vector<size_t>(m + 1));
      for (size_t i = 1; i <= n; ++i) {
        for (size_t j = 1; j <= m; ++j)
          table[i][j] = a[i - 1] == b[j - 1] ? table[i - 1][j - 1] + 1
                                             : std::max(table[i - 1][j], table[i][j - 1]);
      }
      EXPECT_EQ(longest_common_subsequence(a, b), table[n][m]) << n << " " << m;
    }
  }
}

double score_of(const std::string& measure, const std::string& given, const std::string& answer,
                const std::vector<std::string>& options = {}) {
  return find_measure(measure).score({given, {"prompt", answer}, options});
}

TEST(Measures, ScoreByWhatTheyRead) {
  EXPECT_EQ(score_of("choice-reference", "I think C", "C"), 1);
  EXPECT_EQ(score_of("choice-reference", "", ""), 0) << "nothing read is never right";
  EXPECT_EQ(score_of("choice-strict", "I think C", "C"), 0);
  EXPECT_EQ(score_of("choice-first", "C\nBecause", "C\nOther reasons"), 1);
  EXPECT_EQ(score_of("number", "about 12.0 m", "12"), 1);
  EXPECT_EQ(score_of("number-reference", "12.0", "12"), 0);
  EXPECT_EQ(score_of("number-strict", "12 m", "12"), 0);
  EXPECT_EQ(score_of("exact", " a\n", "a"), 1);
  EXPECT_EQ(score_of("exact", "A", "a"), 0);
  EXPECT_EQ(score_of("exact-normal", "The cat!", "a cat"), 1);
  const std::vector<std::string> options = {"no", "not sure"};
  EXPECT_EQ(score_of("choice-generated", "not sure at all", "not sure", options), 1);
  EXPECT_EQ(score_of("choice-generated", "not sure at all", "no", options), 0) << "the longest";
  EXPECT_EQ(score_of("choice-generated", "maybe", "no", options), 0);
  EXPECT_EQ(score_of("choice-generated", "nobody", "no", options), 0) << "another word";
  EXPECT_EQ(score_of("choice-generated", "no, never", "no", options), 1);
}

TEST(Measures, AreFoundByTheirNames) {
  std::set<std::string> names;
  for (const Measure& measure : measures()) {
    EXPECT_TRUE(names.insert(measure.name).second) << measure.name;
    EXPECT_EQ(&find_measure(measure.name), &measure);
    EXPECT_NE(std::string(measure.summary), "");
  }
  EXPECT_EQ(find_measure("choice").score, nullptr) << "the likeliest option: nothing is generated";
  try {
    find_measure("accuracy");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    EXPECT_NE(e.hint().find("choice-generated"), std::string::npos);
  }
}

TEST(Bleu, ACorpusIsNotTheMeanOfItsRows) {
  BleuCounts both = bleu_counts("a b c d e", "a b c d e", false);
  both += bleu_counts("x", "a b c d e", false);
  EXPECT_NEAR(bleu(both, false), std::pow(5.0 / 6, 0.25) * std::exp(1 - 10.0 / 6), 1e-12);
  EXPECT_EQ(bleu(bleu_counts("", "", false), false), 0);
}

}  // namespace
}  // namespace ilora
