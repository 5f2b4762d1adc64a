// What becomes of a text before it is cut into words: a list of small steps. Components of a
// tokenizer.json's normalizer become such a list; SentencePiece models have a fixed one (pieces.h).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "text/utf8.h"

namespace ilora {

struct NormalizerStep {
  enum class Kind {
    kForm,     // Unicode's normal form `form`
    kPrepend,  // `text` before a text that is not empty
    kReplace,  // `by` for every `text`, from the left
  };
  Kind kind = Kind::kForm;
  NormalForm form = NormalForm::kNfc;
  std::string text, by;
};

std::string normalize(std::string_view text, std::span<const NormalizerStep> steps);

// `by` for every `what` (not empty), from the left.
std::string replace_all(std::string_view text, std::string_view what, std::string_view by);

}  // namespace ilora
