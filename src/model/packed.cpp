#include "model/packed.h"

#include "base/random.h"
#include "model/gemm_rows.h"
#include "model/losses/loss_rules.h"

namespace ilora {
void Packed::clear() {
  step = false;
  rows = gradient_rows = gradient_spans = gradient_labels = 0;
  sequences.clear();
  spans.clear();
  tokens.clear();
  positions.clear();
  row_keys.clear();
  label_rows.clear();
  label_targets.clear();
  label_sequence.clear();
}

// A token's dropout key counts from the first token, so that soft prompts in front change no mask.
void Packed::append(std::span<const int32_t> ids, int64_t first_position, uint64_t key) {
  for (size_t i = 0; i < ids.size(); ++i) {
    tokens.push_back(ids[i]);
    positions.push_back(static_cast<int32_t>(first_position + static_cast<int64_t>(i)));
    row_keys.push_back(hash_combine(key, static_cast<uint64_t>(i)));
  }
}

// Soft prompts in front of a row: their keys count backwards from -1.
void Packed::append_prefix(std::span<const int32_t> soft_prompts, uint64_t key) {
  for (size_t i = 0; i < soft_prompts.size(); ++i) {
    tokens.push_back(soft_prompt_id(soft_prompts[i]));
    positions.push_back(static_cast<int32_t>(i));
    row_keys.push_back(hash_combine(key, ~static_cast<uint64_t>(i)));
  }
}

void Packed::close_segment(PackedSegment& segment, bool last, bool fill_up) {
  const auto filled = static_cast<int64_t>(tokens.size());
  segment.end = fill_up ? segment.begin + gemm_rows(filled - segment.begin) : filled;
  if (last) segment.end = gemm_rows(segment.end);
  tokens.resize(static_cast<size_t>(segment.end), kFiller);
  positions.resize(static_cast<size_t>(segment.end), 0);
  row_keys.resize(static_cast<size_t>(segment.end), 0);
  rows = segment.end;
}

void Packed::pack(const Pass& pass, const MicroPass& part, uint64_t dropout_key) {
  clear();
  segments.resize(pass.segments.size());
  for (size_t s = 0; s < pass.segments.size(); ++s) {
    const Segment& segment = pass.segments[s];
    PackedSegment& packed = segments[s];
    packed.begin = rows;
    packed.first_sequence = static_cast<int64_t>(sequences.size());
    packed.first_label = static_cast<int64_t>(label_rows.size());
    packed.gradient = segment.has_gradient();
    packed.dropout = packed.gradient && segment.dropout && !segment.uses.empty()
                         ? segment.uses.front().adapter->options().dropout
                         : 0.0;
    ILORA_CHECK(!packed.gradient || gradient_rows == rows, "segments with gradient come first");
    const bool labelled = reads_logits(segment);
    for (int64_t r = part.ranges[s].begin; r < part.ranges[s].end; ++r) {
      const Row& row = *segment.rows[static_cast<size_t>(r)];
      const auto begin = static_cast<int64_t>(tokens.size());
      const std::span<const int32_t> prefix = segment.prefix(r);
      const auto shift = static_cast<int64_t>(prefix.size());
      const int64_t length = segment.fed_length(r);
      const int64_t first_label = row.first_label(segment.labels);
      const auto sequence = static_cast<int32_t>(sequences.size());
      sequences.push_back({static_cast<int32_t>(s), r, begin, length, shift + first_label, shift});
      spans.push_back({begin, length, begin, length});
      const uint64_t key = hash_combine(dropout_key, row.id);
      append_prefix(prefix, key);
      append({row.tokens.data(), static_cast<size_t>(row.length())}, shift, key);
      if (!labelled) continue;
      row.each_label(segment.labels, [&](int64_t i) {
        label_rows.push_back(static_cast<int32_t>(begin + shift + i));
        label_targets.push_back(row.tokens[static_cast<size_t>(i + 1)]);
        label_sequence.push_back(sequence);
      });
    }
    packed.last_sequence = static_cast<int64_t>(sequences.size());
    packed.last_label = static_cast<int64_t>(label_rows.size());
    close_segment(packed, s + 1 == pass.segments.size());
    if (packed.gradient) {
      gradient_rows = rows;
      gradient_spans = static_cast<int64_t>(spans.size());
      gradient_labels = static_cast<int64_t>(label_rows.size());
    }
  }
}

void Packed::pack_feeds(std::span<const Feed> feeds, int64_t slot_capacity, bool as_step) {
  clear();
  step = as_step;
  size_t count = 0;  // segments opened
  for (const Feed& feed : feeds) {
    if (count == 0 || segments[count - 1].under != feed.under) {
      if (count > 0) close_feeds(segments[count - 1], false);
      ILORA_CHECK(count == 0 || segments[count - 1].under < feed.under,
                  "feeds come in the order of their lists of adapters");
      if (segments.size() == count) segments.emplace_back();
      PackedSegment& segment = segments[count++];
      segment.begin = rows;
      segment.under = feed.under;
      segment.gradient = false;
      segment.dropout = 0;
    }
    const auto begin = static_cast<int64_t>(tokens.size());
    const auto length = static_cast<int64_t>(feed.tokens.size());
    const bool cached = slot_capacity > 0;
    ILORA_CHECK(!step || (cached && length == 1), "a step of {} tokens", length);
    ILORA_CHECK(cached ? feed.past + length <= slot_capacity && feed.behind < 0 : feed.past == 0,
                "{} tokens in a cache slot of {}", feed.past + length, slot_capacity);
    ILORA_CHECK(feed.behind < static_cast<int32_t>(sequences.size()), "a feed behind a later one");
    const AttentionSpan before =
        feed.behind >= 0 ? spans[static_cast<size_t>(feed.behind)] : AttentionSpan();
    ILORA_CHECK(before.shared_len == 0, "a feed behind one that is behind another");
    const auto sequence = static_cast<int32_t>(sequences.size());
    sequences.push_back({static_cast<int32_t>(count) - 1, sequence, begin, length, 0, 0});
    spans.push_back({begin, length, cached ? feed.slot * slot_capacity : begin, feed.past + length,
                     before.key_begin, before.key_len});
    append(feed.tokens, feed.past + before.key_len, 0);
    for (size_t i = 0; i < feed.targets.size(); ++i) {
      if (feed.targets[i] < 0) continue;
      label_rows.push_back(static_cast<int32_t>(begin + static_cast<int64_t>(i)));
      label_targets.push_back(feed.targets[i]);
      label_sequence.push_back(sequence);
    }
  }
  ILORA_CHECK(count > 0, "a pass of no feeds");
  segments.resize(count);
  close_feeds(segments.back(), true);
}

void Packed::close_feeds(PackedSegment& segment, bool last) {
  const bool fill_up = static_cast<int64_t>(tokens.size()) - segment.begin >= kGemmRows;
  close_segment(segment, last && !step, fill_up && !step);
}

}  // namespace ilora
