#include "text/bpe.h"

#include <algorithm>
#include <bit>

#include "base/random.h"
#include "text/utf8.h"

namespace ilora {
namespace {

constexpr uint64_t kEmpty = ~uint64_t{0};  // no pair of ids: ids are not negative

uint64_t key_of(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

// Orders a heap so that its front is the candidate to take next.
bool later(const BytePairEncoder::Scratch::Candidate& a,
           const BytePairEncoder::Scratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

}  // namespace

BytePairEncoder::BytePairEncoder(Symbols symbols, std::span<const Merge> merges, int32_t unknown,
                                 bool fuse_unknown)
    : symbols_(std::move(symbols)), unknown_(unknown), fuse_unknown_(fuse_unknown) {
  table_.assign(std::bit_ceil(merges.size() * 2 + 1), Slot{kEmpty, 0, 0});
  mask_ = table_.size() - 1;
  for (const Merge& merge : merges) {
    const uint64_t key = key_of(merge.left, merge.right);
    size_t slot = mix64(key) & mask_;
    while (table_[slot].key != kEmpty && table_[slot].key != key) slot = (slot + 1) & mask_;
    table_[slot] = {key, merge.rank, merge.result};  // of equal pairs the last counts
  }
}

const BytePairEncoder::Slot* BytePairEncoder::find(int32_t left, int32_t right) const {
  const uint64_t key = key_of(left, right);
  for (size_t slot = mix64(key) & mask_; table_[slot].key != kEmpty; slot = (slot + 1) & mask_) {
    if (table_[slot].key == key) return &table_[slot];
  }
  return nullptr;
}

// Offers the pair that begins at `position`, where it has a rank.
void BytePairEncoder::push(Scratch& scratch, int32_t position) const {
  const Scratch::Symbol& left = scratch.symbols[static_cast<size_t>(position)];
  if (left.next < 0) return;
  const int32_t right = scratch.symbols[static_cast<size_t>(left.next)].id;
  if (const Slot* slot = find(left.id, right)) {
    scratch.heap.push_back({slot->rank, position, left.id, right, slot->result});
    std::push_heap(scratch.heap.begin(), scratch.heap.end(), later);
  }
}

// The word's symbols, each linked to its neighbours.
void BytePairEncoder::begin(std::string_view word, Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  symbols.clear();
  auto add = [&](int32_t id) {
    const auto index = static_cast<int32_t>(symbols.size());
    symbols.push_back({id, index - 1, index + 1});
  };
  bool after_unknown = false;
  for (size_t position = 0; position < word.size();) {
    size_t length = word.size();  // made of bytes: all of it
    if (!symbols_.characters.empty()) {
      length = utf8_unit(word, position).length;
      const auto known = symbols_.characters.find(utf8_at(word, position));
      if (known != symbols_.characters.end()) {
        add(known->second);
        position += length;
        after_unknown = false;
        continue;
      }
    }
    for (const char c : word.substr(position, length)) {
      const int32_t id = symbols_.bytes[static_cast<unsigned char>(c)];
      if (id >= 0) {
        add(id);
      } else if (unknown_ >= 0 && !(fuse_unknown_ && after_unknown)) {
        add(unknown_);
      }
      after_unknown = id < 0;
    }
    position += length;
  }
  if (!symbols.empty()) symbols.back().next = -1;
}

void BytePairEncoder::encode(std::string_view word, Scratch& scratch,
                             std::vector<int32_t>& ids) const {
  begin(word, scratch);
  auto& symbols = scratch.symbols;
  auto& heap = scratch.heap;
  heap.clear();
  if (symbols.empty()) return;
  for (int32_t i = 0; i + 1 < static_cast<int32_t>(symbols.size()); ++i) push(scratch, i);

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const Scratch::Candidate best = heap.back();
    heap.pop_back();
    Scratch::Symbol& left = symbols[static_cast<size_t>(best.position)];
    // Merges since then may have taken either symbol (a symbol that was taken has id -1).
    if (left.id != best.left || left.next < 0) continue;
    Scratch::Symbol& right = symbols[static_cast<size_t>(left.next)];
    if (right.id != best.right) continue;
    left.id = best.result;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) {
      symbols[static_cast<size_t>(left.next)].previous = best.position;
      push(scratch, best.position);
    }
    if (left.previous >= 0) push(scratch, left.previous);
  }
  for (int32_t i = 0; i >= 0; i = symbols[static_cast<size_t>(i)].next) {
    ids.push_back(symbols[static_cast<size_t>(i)].id);
  }
}

}  // namespace ilora
