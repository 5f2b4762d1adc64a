// Cuts text into the words that byte pair encoding works on: a list of small steps, each of which
// cuts the pieces of the one before. Components of a tokenizer.json (Sequence, Split, Digits,
// ByteLevel) and the names in tokenizer.ggml.pre become such lists (tokenizer_json.cpp,
// tokenizer_gguf.cpp).
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
    kSplit,        // by `pattern`
    kPrefixSpace,  // a space before every piece that does not begin with one
  };
  Kind kind = Kind::kSplit;
  std::string pattern;  // Oniguruma syntax
  SplitBehaviour behaviour = SplitBehaviour::kIsolated;
  bool invert = false;  // the parts between the matches are the matches
};

// The steps that several files share.
PreTokenizerStep digits_step(bool individual);  // Hugging Face's Digits: every character of class N
PreTokenizerStep gpt2_words_step();  // the expression of GPT-2, which ByteLevel(use_regex) uses
PreTokenizerStep prefix_space_step();

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
  // call.
  void split(std::string_view text, Scratch& scratch) const;

 private:
  struct Step {
    PreTokenizerStep::Kind kind;
    Regex regex;
    SplitBehaviour behaviour;
    bool invert;
  };
  std::vector<Step> steps_;

  void split_piece(const Step& step, std::string_view piece, Scratch& scratch) const;
};

}  // namespace ilora
