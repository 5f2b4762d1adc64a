// The length of the longest common subsequence, for ROUGE-L and edit similarity.
//
// H. Hyyrö, "Bit-parallel LCS-length computation revisited" (AWOCA 2004): 64 cells of the table's
// row at a time.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace ilora {

// `a` and `b`: sequences of the same comparable symbols (words, characters).
template <class Sequence>
size_t longest_common_subsequence(const Sequence& a, const Sequence& b) {
  const size_t blocks = (a.size() + 63) / 64;
  // Where each symbol stands in a; and the row: a 0 bit is a step up of the table's row.
  std::map<typename Sequence::value_type, std::vector<uint64_t>> places;
  for (size_t i = 0; i < a.size(); ++i) {
    auto& bits = places[a[i]];
    bits.resize(blocks);
    bits[i / 64] |= uint64_t{1} << (i % 64);
  }
  std::vector<uint64_t> row(blocks, ~uint64_t{0});
  for (const auto& symbol : b) {
    const auto found = places.find(symbol);
    if (found == places.end()) continue;
    uint64_t carry = 0;
    for (size_t k = 0; k < blocks; ++k) {
      const uint64_t matches = row[k] & found->second[k];
      const uint64_t partial = row[k] + matches;
      const uint64_t sum = partial + carry;
      carry = (partial < row[k] || sum < partial) ? 1 : 0;
      row[k] = sum | (row[k] & ~found->second[k]);
    }
  }
  size_t zeros = 0;
  for (size_t k = 0; k < blocks; ++k) {
    const size_t used = std::min<size_t>(64, a.size() - 64 * k);
    const uint64_t mask = used == 64 ? ~uint64_t{0} : (uint64_t{1} << used) - 1;
    zeros += static_cast<size_t>(std::popcount(~row[k] & mask));
  }
  return zeros;
}

}  // namespace ilora
