#include "eval/measures/measure.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/listed.h"
#include "eval/measures/bleu.h"
#include "eval/measures/extract.h"
#include "eval/measures/number.h"
#include "eval/measures/rouge.h"
#include "eval/measures/sari.h"
#include "eval/measures/similarity.h"

namespace ilora {
namespace {

double one_if(bool right) {
  return right ? 1.0 : 0.0;
}

// Right where the same thing can be read out of both texts.
template <std::string (*read)(std::string_view)>
double same_reading(const Answered& a) {
  const std::string given = read(a.given);
  return one_if(!given.empty() && given == read(a.row.answer));
}

// Some answers of number tasks are words ("Sunday"): those are compared as exact-normal does.
template <std::string (*read)(std::string_view)>
double same_number_read(const Answered& a) {
  const std::string expected = first_number(a.row.answer);
  if (expected.empty()) return one_if(squad_normal(a.given) == squad_normal(a.row.answer));
  return one_if(same_number(read(a.given), expected));
}

// The longest option that the text begins with, as a word.
double begins_with_option(const Answered& a) {
  const std::string given = trimmed(a.given);
  const std::string* chosen = nullptr;
  for (const std::string& option : a.options) {
    const std::string key = trimmed(option);
    if (!given.starts_with(key) || !word_ends(given, key.size())) continue;
    if (chosen == nullptr || key.size() > trimmed(*chosen).size()) chosen = &option;
  }
  return one_if(chosen != nullptr && trimmed(*chosen) == trimmed(a.row.answer));
}

template <bool chinese>
double bleu_of_row(const Answered& a) {
  return bleu(bleu_counts(a.given, a.row.answer, chinese), true);
}

template <bool chinese>
double bleu_of_task(std::span<const Answered> answers) {
  BleuCounts counts;
  for (const Answered& a : answers) counts += bleu_counts(a.given, a.row.answer, chinese);
  return bleu(counts, false);
}

const std::array kMeasures = {
    Measure{"choice", "the likeliest of the task's options is the answer",
            "log-likelihood of the option's tokens and the end token", nullptr, true},
    Measure{"choice-letter",
            "the likeliest of the letters that the prompt lists is the answer's first",
            "log-likelihood of the letter, whatever follows it", nullptr, false, nullptr, true},
    Measure{"likelihood", "how likely the answer is: the geometric mean over its tokens",
            "exp(-loss) of the answer's tokens and the end token", nullptr, false, nullptr, false,
            true},
    Measure{"choice-generated", "the longest option that the text begins with is the answer", "",
            begins_with_option, true},
    Measure{"choice-reference", "the first A, B, C or D anywhere in the text is the answer's",
            "the I-LoRA paper's code", same_reading<choice_reference>},
    Measure{"choice-first", "the text's first character is A, B, C or D, and the answer's",
            "the I-LoRA paper's code, for ScienceQA", same_reading<choice_first>},
    Measure{"choice-strict", "a letter standing alone at the beginning is the answer's", "",
            same_reading<choice_strict>},
    Measure{"number-reference", "the first run of digits (with decimals, unsigned) is the answer's",
            "the I-LoRA paper's code", same_reading<number_reference>},
    Measure{"number", "the first number, with sign and thousands commas, equals the answer's", "",
            same_number_read<first_number>},
    Measure{"number-strict", "the text is a number and nothing else, equal to the answer's", "",
            same_number_read<number_strict>},
    Measure{"exact", "the text is the answer, white space at the ends aside", "",
            [](const Answered& a) { return one_if(trimmed(a.given) == trimmed(a.row.answer)); }},
    Measure{"exact-normal", "the same in lower case, without punctuation and English articles",
            "SQuAD",
            [](const Answered& a) {
              return one_if(squad_normal(a.given) == squad_normal(a.row.answer));
            }},
    Measure{"token-f1", "F1 over the words, in lower case, without punctuation and articles",
            "SQuAD", [](const Answered& a) { return token_f1(a.given, a.row.answer); }},
    Measure{"rouge-l", "F of the longest common subsequence of words", "rouge-score",
            [](const Answered& a) { return rouge_l(a.given, a.row.answer, false); }},
    Measure{"rouge-l-stem", "the same over Porter stems", "rouge-score, use_stemmer",
            [](const Answered& a) { return rouge_l(a.given, a.row.answer, true); }},
    Measure{"sari", "what a simplification keeps, deletes and adds; the prompt is its source",
            "Hugging Face evaluate",
            [](const Answered& a) { return sari(a.row.prompt, a.given, a.row.answer); }},
    Measure{"bleu", "n-gram precision with brevity penalty; a task's score is its corpus's",
            "sacreBLEU, 13a", bleu_of_row<false>, false, bleu_of_task<false>},
    Measure{"bleu-zh", "the same over Chinese characters", "sacreBLEU, zh", bleu_of_row<true>,
            false, bleu_of_task<true>},
    Measure{"edit-similarity", "twice the longest common subsequence of characters, by length",
            "rapidfuzz ratio",
            [](const Answered& a) { return edit_similarity(a.given, a.row.answer); }},
    Measure{"code-similarity", "the same, with Py150's literals written out", "TRACE, for Py150",
            [](const Answered& a) {
              return edit_similarity(plain_literals(a.given), plain_literals(a.row.answer));
            }},
};

}  // namespace

std::span<const Measure> measures() {
  return kMeasures;
}

const Measure& find_measure(const std::string& name) {
  const auto found = std::ranges::find(kMeasures, name, &Measure::name);
  if (found != kMeasures.end()) return *found;
  throw Error(ErrorKind::kUsage, fmt::format("[eval] there is no measure '{}'", name),
              fmt::format("Choose one of: auto, {}.", listed(kMeasures, &Measure::name)));
}

}  // namespace ilora
