#include "text/pre_tokenizer.h"

#include <algorithm>

#include "text/utf8.h"

namespace ilora {
namespace {

using Span = PreTokenizer::Scratch::Span;

// Joins neighbouring spans as the behaviour says; afterwards every span that remains is a piece.
void apply_behaviour(SplitBehaviour behaviour, std::vector<Span>& spans) {
  auto join = [&](auto joins) {
    size_t kept = 0;
    bool previous_match = false;
    for (size_t i = 0; i < spans.size(); ++i) {
      const Span span = spans[i];
      if (kept > 0 && joins(span.match, previous_match)) {
        spans[kept - 1].begin = std::min(spans[kept - 1].begin, span.begin);
        spans[kept - 1].end = std::max(spans[kept - 1].end, span.end);
      } else {
        spans[kept++] = span;
      }
      previous_match = span.match;
    }
    spans.resize(kept);
  };
  const auto match_after_gap = [](bool match, bool previous) { return match && !previous; };
  switch (behaviour) {
    case SplitBehaviour::kIsolated:
      break;
    case SplitBehaviour::kRemoved:
      std::erase_if(spans, [](const Span& span) { return span.match; });
      break;
    case SplitBehaviour::kContiguous:
      join([](bool match, bool previous) { return match == previous; });
      break;
    case SplitBehaviour::kMergedWithPrevious:
      join(match_after_gap);
      break;
    case SplitBehaviour::kMergedWithNext:
      std::reverse(spans.begin(), spans.end());
      join(match_after_gap);
      std::reverse(spans.begin(), spans.end());
      break;
  }
}

}  // namespace

PreTokenizerStep digits_step(bool individual) {
  return {PreTokenizerStep::Kind::kSplit, "\\p{N}",
          individual ? SplitBehaviour::kIsolated : SplitBehaviour::kContiguous, false};
}

PreTokenizerStep gpt2_words_step() {
  return {PreTokenizerStep::Kind::kSplit,
          "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
          SplitBehaviour::kIsolated, false};
}

PreTokenizerStep prefix_space_step() {
  return {PreTokenizerStep::Kind::kPrefixSpace, "", SplitBehaviour::kIsolated, false};
}

PreTokenizer::PreTokenizer(const std::vector<PreTokenizerStep>& steps, const std::string& where) {
  for (const PreTokenizerStep& step : steps) {
    steps_.push_back({step.kind, Regex(step.pattern, where), step.behaviour, step.invert});
  }
}

void PreTokenizer::split(std::string_view text, Scratch& scratch) const {
  scratch.words.clear();
  scratch.owned.clear();
  if (text.empty()) return;
  scratch.words.push_back(text);
  for (const Step& step : steps_) {
    scratch.next.clear();
    if (step.kind == PreTokenizerStep::Kind::kPrefixSpace) {
      // Reserved first: views into `owned` must stay where they are. An earlier prefix step's
      // strings move out.
      std::vector<std::string> owned;
      owned.reserve(scratch.words.size());
      for (const std::string_view piece : scratch.words) {
        std::string& changed = owned.emplace_back(piece.front() == ' ' ? "" : " ");
        changed.append(piece);
        scratch.next.push_back(changed);
      }
      scratch.owned.swap(owned);
    } else {
      for (const std::string_view piece : scratch.words) split_piece(step, piece, scratch);
    }
    scratch.words.swap(scratch.next);
  }
}

void PreTokenizer::split_piece(const Step& step, std::string_view piece, Scratch& scratch) const {
  std::vector<Span>& spans = scratch.spans;
  spans.clear();
  size_t done = 0, from = 0, begin = 0, end = 0;
  size_t last_end = std::string_view::npos;
  while (from <= piece.size() && step.regex.find(piece, from, scratch.regex, begin, end)) {
    // An empty match cuts like any other, except where the last match ended.
    const bool repeated = end == begin && end == last_end;
    if (!repeated) {
      if (begin > done) spans.push_back({done, begin, step.invert});
      spans.push_back({begin, end, !step.invert});
      done = last_end = end;
    }
    from = end;
    if (end == begin) from += from < piece.size() ? utf8_unit(piece, from).length : 1;
  }
  if (done < piece.size()) spans.push_back({done, piece.size(), step.invert});
  apply_behaviour(step.behaviour, spans);
  for (const Span& span : spans) {
    if (span.end == span.begin) continue;
    scratch.next.push_back(piece.substr(span.begin, span.end - span.begin));
  }
}

}  // namespace ilora
