#include "text/pre_tokenizer.h"

#include <algorithm>

#include "text/normalizer.h"
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

// The words of Llama 3 and Qwen2, which cut numbers in their own ways.
PreTokenizerStep words_with_numbers(const std::string& number) {
  return split_step("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" + number +
                    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");
}

}  // namespace

PreTokenizerStep split_step(std::string pattern, SplitBehaviour behaviour) {
  PreTokenizerStep step;
  step.pattern = std::move(pattern);
  step.behaviour = behaviour;
  return step;
}

PreTokenizerStep digits_step(bool individual) {
  return split_step("\\p{N}", individual ? SplitBehaviour::kIsolated : SplitBehaviour::kContiguous);
}

PreTokenizerStep gpt2_words_step() {
  return split_step(
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");
}

PreTokenizerStep llama3_words_step() {
  return words_with_numbers("\\p{N}{1,3}");
}

PreTokenizerStep qwen2_words_step() {
  return words_with_numbers("\\p{N}");
}

namespace {

// Words that end where small letters do.
PreTokenizerStep words_by_case(const std::string& ending, const std::string& number) {
  const std::string capitals = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]",
                    smalls = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]", before = "[^\\r\\n\\p{L}\\p{N}]?";
  return split_step(before + capitals + "*" + smalls + "+" + ending + "|" + before + capitals +
                    "+" + smalls + "*" + ending + "|" + number +
                    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");
}

}  // namespace

PreTokenizerStep gpt4o_words_step() {
  return words_by_case("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "\\p{N}{1,3}");
}

PreTokenizerStep tekken_words_step() {
  return words_by_case("", "\\p{N}");
}

PreTokenizerStep qwen35_words_step() {
  return split_step(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
      "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");
}

PreTokenizerStep seed_words_step() {
  return split_step(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
      "| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");
}

PreTokenizerStep prefix_step(std::string text) {
  PreTokenizerStep step;
  step.kind = PreTokenizerStep::Kind::kPrefix;
  step.text = std::move(text);
  return step;
}

PreTokenizer::PreTokenizer(const std::vector<PreTokenizerStep>& steps, const std::string& where) {
  for (const PreTokenizerStep& step : steps) steps_.push_back({step, Regex(step.pattern, where)});
}

void PreTokenizer::split(std::string_view text, bool at_start, Scratch& scratch) const {
  scratch.words.clear();
  scratch.owned.clear();
  if (text.empty()) return;
  scratch.words.push_back(text);
  for (const Step& step : steps_) {
    scratch.next.clear();
    if (step.kind == PreTokenizerStep::Kind::kSplit) {
      for (const std::string_view piece : scratch.words) split_piece(step, piece, scratch);
    } else {
      change_pieces(step, at_start, scratch);
    }
    scratch.words.swap(scratch.next);
  }
}

void PreTokenizer::change_pieces(const Step& step, bool at_start, Scratch& scratch) {
  // Reserved first: views into `owned` must stay where they are. An earlier step's strings move
  // out.
  std::vector<std::string> owned;
  owned.reserve(scratch.words.size());
  for (size_t i = 0; i < scratch.words.size(); ++i) {
    const std::string_view piece = scratch.words[i];
    std::string& changed = owned.emplace_back();
    if (step.kind == PreTokenizerStep::Kind::kReplace) {
      changed = replace_all(piece, step.text, step.by);
    } else {
      const bool wanted = !step.at_start || (at_start && i == 0);
      if (wanted && !piece.starts_with(step.text)) changed = step.text;
      changed += piece;
    }
    scratch.next.push_back(changed);
  }
  scratch.owned.swap(owned);
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
