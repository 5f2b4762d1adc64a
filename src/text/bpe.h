// Byte pair encoding of one word: neighbouring symbols are joined, the pair of the lowest rank
// first and of equal ranks the leftmost, until no pair is left that has a rank (Sennrich et al.
// 2016). Called by the tokenizer.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ilora {

class BytePairEncoder {
 public:
  struct Merge {  // its rank is its index
    int32_t left, right, result;
  };
  // byte_ids: the token of each byte, -1 where the vocabulary has none. Such a byte becomes
  // `unknown`, and where that is -1 it is dropped, as Hugging Face's BPE does; several in a row
  // become one unknown where `fuse_unknown`.
  BytePairEncoder(const std::array<int32_t, 256>& byte_ids, std::span<const Merge> merges,
                  int32_t unknown, bool fuse_unknown);

  struct Scratch {
    struct Symbol {
      int32_t id, previous, next;  // neighbours by index, -1: none
    };
    struct Candidate {
      int32_t rank, position, left, right, result;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };
  // Appends the word's tokens to `ids`. Time n log n for n bytes.
  void encode(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const;

 private:
  struct Slot {  // of an open-addressed table from a pair to its merge
    uint64_t key;
    int32_t rank, result;
  };
  std::array<int32_t, 256> byte_ids_;
  int32_t unknown_;
  bool fuse_unknown_;
  std::vector<Slot> table_;
  size_t mask_ = 0;

  const Slot* find(int32_t left, int32_t right) const;
  void push(Scratch& scratch, int32_t position) const;
};

}  // namespace ilora
