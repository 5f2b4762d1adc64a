// Counter-based random numbers: every draw is a function of (seed, stream, counter), so nothing
// depends on how many draws came before, and resuming needs no state but a counter.
#pragma once

#include <cstdint>
#include <vector>

namespace ilora {

// A 64-bit finaliser (Steele et al., "Fast splittable pseudorandom number generators", OOPSLA 2014,
// SplitMix64).
constexpr uint64_t mix64(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

// Combines a hash with one more value.
constexpr uint64_t hash_combine(uint64_t hash, uint64_t value) {
  return mix64(hash + 0x9e3779b97f4a7c15ULL * (value + 1));
}

enum class Stream : uint64_t {
  kAdapterInit = 1,
  kDataOrder,
  kMemory,
  kDropout,
  kSampling,
  kSuite,  // not drawn from; the numbers of those behind it must not move
  kTest,
  kSearch,
  kBootstrap,
  kRows,  // which rows of a task a reduced run takes: with a seed of its own, not the run's
  kAnalysis
};

class Random {
 public:
  Random(uint64_t seed, Stream stream, uint64_t substream = 0)
      : key_(hash_combine(hash_combine(mix64(seed), static_cast<uint64_t>(stream)), substream)) {}

  uint64_t bits(uint64_t counter) const { return hash_combine(key_, counter); }
  double uniform(uint64_t counter) const {
    return static_cast<double>(bits(counter) >> 11) * 0x1p-53;
  }                                                        // [0, 1)
  uint64_t below(uint64_t counter, uint64_t bound) const;  // 0 .. bound-1, bound > 0
  double normal(uint64_t counter) const;                   // mean 0, variance 1 (Box-Muller)
  // A permutation of 0 .. count-1 (Fisher-Yates).
  std::vector<int64_t> permutation(int64_t count) const;

 private:
  uint64_t key_;
};

}  // namespace ilora
