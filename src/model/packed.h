// A micro-pass laid out for the kernels: token rows of all segments one after another, without
// padding between sequences. Segments are filled up to multiples of 16 rows, so that GEMMs see few
// distinct row counts; filler rows belong to no sequence, are zero and stay zero.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "model/pass.h"

namespace ilora {

// An adapter of a segment, resolved for the engine.
struct ActiveUse {
  const Adapter* adapter = nullptr;
  Tensor values;       // flat, G
  Tensor gradient;     // flat, T; empty: not trained
  double scale = 1.0;  // the use's scale times alpha/r
  int64_t column = 0;  // where its rank columns start in the saved products x A^T
};

struct PackedSegment {
  int64_t begin = 0, end = 0;  // rows [begin, end) of the pack, filler included
  int32_t under = 0;           // of feeds: the index of its list of adapters
  bool gradient = false;
  double dropout = 0;                             // of its adapters; 0 in segments without gradient
  int64_t first_sequence = 0, last_sequence = 0;  // its sequences [first, last)
  int64_t first_label = 0, last_label = 0;        // its labels [first, last)
  std::vector<ActiveUse> uses;
};

struct PackedSequence {
  int32_t segment = 0;
  int64_t row = 0;  // index among the segment's rows
  int64_t begin = 0, length = 0;
  int64_t first_label = 0;  // the first position that carries a label (Row::each_label has all)
  int64_t prefix = 0;       // positions [0, prefix) are soft prompts
};

// Tokens fed behind what a key/value cache already holds for a slot (see generate.h), or behind
// another feed of the same call, which several may share (see the evaluator). Soft prompts are fed
// among them by their ids (row.h).
struct Feed {
  std::span<const int32_t> tokens;
  std::span<const int32_t> targets;  // per token the label, -1 for none; empty: none
  int64_t slot = 0;
  int64_t past = 0;     // tokens of the slot already in the cache
  int32_t under = 0;    // which of the call's lists of adapters; feeds come in its order
  int32_t behind = -1;  // without a cache: an earlier feed of the call whose tokens stand before
};

struct Packed {
  int64_t rows = 0;           // N, filler included
  int64_t gradient_rows = 0;  // the first rows, of segments with gradient
  bool step = false;          // a token of each of some answers in the making: no filler
  std::vector<PackedSegment> segments;
  std::vector<PackedSequence> sequences;
  // One per sequence; keys in this pass, or in the cache for feeds.
  std::vector<AttentionSpan> spans;
  int64_t gradient_spans = 0;
  std::vector<int32_t> tokens, positions;  // (N); filler and soft prompts: ids of row.h
  std::vector<uint64_t> row_keys;          // (N) identity of (row, position), for dropout

  // Labelled rows of segments whose losses read logits, those with gradient first.
  std::vector<int32_t> label_rows, label_targets, label_sequence;
  int64_t gradient_labels = 0;

  const PackedSequence& sequence_of_label(size_t label) const {
    return sequences[static_cast<size_t>(label_sequence[label])];
  }
  std::span<const PackedSequence> sequences_of(size_t segment) const {
    const PackedSegment& s = segments[segment];
    return std::span(sequences).subspan(static_cast<size_t>(s.first_sequence),
                                        static_cast<size_t>(s.last_sequence - s.first_sequence));
  }

  // Lay out a micro-pass, or feeds behind a cache whose slots hold `slot_capacity` tokens (0:
  // without a cache, each feed a sequence of its own). Feeds under one list of adapters make a
  // segment; a segment of fewer than 16 rows is not filled up, so that decoding a token under each
  // of many adapters wastes no rows. A step is feeds of one token each, of answers in the making,
  // and nothing is filled up. Memory is reused.
  void pack(const Pass& pass, const MicroPass& part, uint64_t dropout_key);
  void pack_feeds(std::span<const Feed> feeds, int64_t slot_capacity, bool as_step = false);

 private:
  void clear();
  void append(std::span<const int32_t> ids, int64_t first_position, uint64_t key);
  void append_prefix(std::span<const int32_t> soft_prompts, uint64_t key);
  void close_segment(PackedSegment& segment, bool last, bool fill_up = true);
  void close_feeds(PackedSegment& segment, bool last);
};

}  // namespace ilora
