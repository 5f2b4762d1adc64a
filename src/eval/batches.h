// Work that runs together: as much as a pass may hold.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ilora {

// Parts `count` things into batches whose lengths (length(i), tokens) add up to at most `most`, one
// longer thing alone, and calls run(first, number) for each.
template <class Length, class Run>
void in_batches(size_t count, int64_t most, const Length& length, const Run& run) {
  for (size_t first = 0; first < count;) {
    size_t n = 0;
    int64_t sum = 0;
    for (; first + n < count; ++n) {
      sum += static_cast<int64_t>(length(first + n));
      if (n > 0 && sum > most) break;
    }
    run(first, n);
    first += n;
  }
}

}  // namespace ilora
