// Denormal numbers, those below 1.2e-38 in float, cost a factor of 100 and more in every product on
// Intel's processors (none on AMD's Zen 4), and no result needs them: while a FlushDenormals lives
// they are read and written as zero. Held by the training loop and by every pass of an engine, so that programs which
// call the library find their own arithmetic as it was.
#pragma once

#include <cstdint>
#include <vector>

namespace ilora {

// For the calling thread and the threads that its parallel loops have when it is made
// (base/parallel.h), those inside oneDNN included. One inside another costs nothing. Does nothing on
// a CPU that has no such mode.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  std::vector<uint64_t> before_;  // each thread's control word; empty: another one holds
};

}  // namespace ilora
