// A row: one training or test example as token ids. What tasks are made of and what passes are
// packed from.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ilora {

// Ids of a pass that are no tokens: filler, and the rows of soft prompts. Soft-prompt row k is the
// k-th of all adapters of the segment (model/pass.h).
inline constexpr int32_t kFiller = -1;
constexpr int32_t soft_prompt_id(int32_t k) {
  return -2 - k;
}
constexpr int32_t soft_prompt_row(int32_t id) {
  return -2 - id;
}
constexpr bool is_soft_prompt(int32_t id) {
  return id < kFiller;
}

// A row's identity within a run: its task's place in the run, and its number in the task's file.
constexpr uint64_t row_id(size_t task, int64_t number) {
  return static_cast<uint64_t>(task) << 32 | static_cast<uint64_t>(number);
}
constexpr uint64_t number_in_file(uint64_t id) {
  return id & 0xffffffffu;
}

// Which positions of a row carry a label (position i predicts token i+1).
enum class Labels : uint8_t { kAnswer, kPromptAndAnswer };

// What is kept of a teacher's logits at a row's labelled positions: the k largest of each.
struct TopLogits {
  int64_t k = 0;                // 0: none are kept
  std::vector<int32_t> tokens;  // (labels,k) token ids
  std::vector<float> logits;    // (labels,k)

  int64_t bytes() const {
    const size_t each = sizeof(int32_t) + sizeof(float);
    return k == 0 ? 0 : static_cast<int64_t>(sizeof(TopLogits) + tokens.size() * each);
  }
};

// Tokens [begin, end) of a row that nothing is learned of, between the answers of a conversation.
struct Unlabelled {
  int32_t begin = 0, end = 0;
  bool never = false;  // not where prompts are learned either: a turn that its row takes out
};

struct Row {
  // Prompt, then answer, then EOS (a label only: the last token is never fed); an answer that
  // data.max_answer cut has no EOS.
  std::vector<int32_t> tokens;
  // tokens[prompt_length ..] are the answer, or what follows a conversation's first learned one; at
  // least 1 and < tokens.size().
  int64_t prompt_length = 0;
  int32_t task = 0;        // index of the task in the run
  uint64_t id = 0;         // row_id(): names dropout masks, memory entries, errors
  TopLogits top_logits{};  // for losses that compare with what is kept (model/losses/)
  // In order, none in another, none at the end. Those before prompt_length matter where prompts are
  // learned alone.
  std::vector<Unlabelled> gaps{};

  // Of memory; gaps and a teacher's logits count where there are some.
  int64_t bytes() const {
    return static_cast<int64_t>(sizeof(Row) + tokens.size() * sizeof(int32_t)) -
           static_cast<int64_t>(sizeof(TopLogits) + sizeof(std::vector<Unlabelled>)) +
           top_logits.bytes() + static_cast<int64_t>(gaps.size() * sizeof(Unlabelled));
  }
  // Tokens that are fed to the model: all but the last, which is only predicted.
  int64_t length() const { return static_cast<int64_t>(tokens.size()) - 1; }
  // Positions [first_label, length) carry a label, but for those that predict a token of a gap.
  int64_t first_label(Labels labels = Labels::kAnswer) const {
    return labels == Labels::kAnswer ? prompt_length - 1 : 0;
  }
  // visit(i) for each position that carries a label, in order.
  template <class Visit>
  void each_label(Labels labels, const Visit& visit) const {
    int64_t i = first_label(labels);
    for (const Unlabelled& gap : gaps) {
      if (labels == Labels::kPromptAndAnswer && !gap.never) continue;
      for (; i < gap.begin - 1; ++i) visit(i);
      i = std::max<int64_t>(i, gap.end - 1);
    }
    for (; i < length(); ++i) visit(i);
  }
  int64_t label_count(Labels labels = Labels::kAnswer) const {
    if (gaps.empty()) return length() - first_label(labels);
    int64_t count = 0;
    each_label(labels, [&](int64_t) { ++count; });
    return count;
  }
};

inline std::vector<const Row*> row_pointers(const std::vector<Row>& rows) {
  std::vector<const Row*> pointers;
  pointers.reserve(rows.size());
  for (const Row& row : rows) pointers.push_back(&row);
  return pointers;
}

}  // namespace ilora
