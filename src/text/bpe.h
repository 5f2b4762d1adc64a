// Byte pair encoding of one word: neighbouring symbols are joined, the pair of the lowest rank
// first and of equal ranks the leftmost, until no pair is left that has a rank (Sennrich et al.
// 2016). Called by the tokenizer.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ilora {

class BytePairEncoder {
 public:
  struct Merge {
    int32_t left, right, result, rank;
  };
  // What a word is made of before any merge: its characters where they have a token, else the
  // bytes of such a character.
  struct Symbols {
    std::unordered_map<char32_t, int32_t> characters;  // empty: words are made of bytes
    std::array<int32_t, 256> bytes;                    // -1 where the vocabulary has none
  };
  // A byte without a token becomes `unknown`, and where that is -1 it is dropped, as Hugging Face's
  // BPE does; several in a row become one unknown where `fuse_unknown`.
  BytePairEncoder(Symbols symbols, std::span<const Merge> merges, int32_t unknown,
                  bool fuse_unknown);

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
  // Appends the tokens of a word of well-formed UTF-8 to `ids`. Time n log n for n bytes.
  void encode(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const;

 private:
  struct Slot {  // of an open-addressed table from a pair to its merge
    uint64_t key;
    int32_t rank, result;
  };
  Symbols symbols_;
  int32_t unknown_;
  bool fuse_unknown_;
  std::vector<Slot> table_;
  size_t mask_ = 0;

  const Slot* find(int32_t left, int32_t right) const;
  void begin(std::string_view word, Scratch& scratch) const;
  void push(Scratch& scratch, int32_t position) const;
};

}  // namespace ilora
