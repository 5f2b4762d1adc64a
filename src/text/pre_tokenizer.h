// Cuts text into the words that byte pair encoding works on: a list of small steps, each of which
// cuts or changes the pieces of the one before. Components of a tokenizer.json (Sequence, Split,
// Digits, ByteLevel, Metaspace) and the names in tokenizer.ggml.pre become such lists
// (tokenizer_json.cpp, tokenizer_gguf.cpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/regex.h"

namespace ilora {

// What becomes of the matches of a Split, as in Hugging Face's SplitDelimiterBehavior.
enum class SplitBehaviour {
  kIsolated,
  kRemoved,
  kMergedWithPrevious,
  kMergedWithNext,
  kContiguous
};

struct PreTokenizerStep {
  enum class Kind {
    kSplit,    // at the matches of `pattern`
    kPrefix,   // `text` before every piece that does not begin with it
    kReplace,  // `by` for every `text`
  };
  Kind kind = Kind::kSplit;
  std::string pattern;  // Oniguruma syntax
  SplitBehaviour behaviour = SplitBehaviour::kIsolated;
  bool invert = false;  // the parts between the matches are the matches
  std::string text, by;
  bool at_start = false;  // kPrefix: only where the whole text begins
};

// The steps that several files share.
PreTokenizerStep split_step(std::string pattern,
                            SplitBehaviour behaviour = SplitBehaviour::kIsolated);
PreTokenizerStep digits_step(bool individual);  // Hugging Face's Digits: every character of class N
PreTokenizerStep gpt2_words_step();    // the expression of GPT-2, which ByteLevel(use_regex) uses
PreTokenizerStep llama3_words_step();  // the expression of Llama 3
PreTokenizerStep qwen2_words_step();   // the same with each digit apart
PreTokenizerStep
gpt4o_words_step();  // the expression of o200k_base: words end where small letters do
PreTokenizerStep tekken_words_step();  // the same without contractions, each digit apart
PreTokenizerStep qwen35_words_step();  // Qwen2's, marks with their letters
PreTokenizerStep seed_words_step();    // Qwen2's, ends of lines apart from marks before them
PreTokenizerStep prefix_step(std::string text);

class PreTokenizer {
 public:
  // Compiles the patterns; `where` names the file in errors.
  PreTokenizer(const std::vector<PreTokenizerStep>& steps, const std::string& where);

  // What one thread needs, reused from call to call.
  struct Scratch {
    RegexScratch regex;
    std::vector<std::string_view> words, next;
    std::vector<std::string> owned;  // pieces that a step has changed
    struct Span {
      size_t begin, end;
      bool match;
    };
    std::vector<Span> spans;
  };

  // The words of well-formed UTF-8, none of them empty, in scratch.words; valid until the next
  // call. `at_start`: nothing came before, no added token either.
  void split(std::string_view text, bool at_start, Scratch& scratch) const;

 private:
  struct Step : PreTokenizerStep {
    Regex regex;
  };
  std::vector<Step> steps_;

  static void change_pieces(const Step& step, bool at_start, Scratch& scratch);

  void split_piece(const Step& step, std::string_view piece, Scratch& scratch) const;
};

}  // namespace ilora
