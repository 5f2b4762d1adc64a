// BLEU: n-gram precisions with a brevity penalty, over a corpus or one row.
//
// K. Papineni et al., "BLEU" (ACL 2002). Agrees with sacreBLEU's defaults: mixed case, 13a (or zh)
// words, n-grams up to 4, exponential smoothing; a single row uses effective order.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace ilora {

// What BLEU is computed from. Counts of rows add up to those of a corpus.
struct BleuCounts {
  std::array<int64_t, 4> right{}, said{};  // n-grams of each length
  int64_t words_said = 0, words_expected = 0;

  BleuCounts& operator+=(const BleuCounts& other);
};

BleuCounts bleu_counts(const std::string& given, const std::string& expected, bool chinese);
// 0..1. `effective_order`: lengths of which the text has no n-grams are left out.
double bleu(const BleuCounts& counts, bool effective_order);

}  // namespace ilora
