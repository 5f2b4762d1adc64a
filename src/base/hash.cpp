#include "base/hash.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/file.h"
#include "base/random.h"

namespace ilora {
namespace {

constexpr size_t kLanes = 4;  // independent, so that their products overlap
constexpr uint64_t kOdd = 0x9e3779b97f4a7c15ULL;

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kWholeFile = 128 * kMiB, kHead = 16 * kMiB, kTail = kMiB;
constexpr size_t kBlocks = 256, kBlock = size_t{64} << 10;

// Multiplication carries bits up, the shift brings them down again.
uint64_t absorb(uint64_t lane, uint64_t word) {
  lane = (lane ^ word) * kOdd;
  return lane ^ (lane >> 32);
}

}  // namespace

uint64_t hash_bytes(std::span<const std::byte> bytes, uint64_t seed) {
  std::array<uint64_t, kLanes> lanes{};
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = hash_combine(seed, i);
  std::array<uint64_t, kLanes> words{};
  size_t at = 0;
  for (; bytes.size() - at >= sizeof words; at += sizeof words) {
    std::memcpy(words.data(), bytes.data() + at, sizeof words);
    for (size_t i = 0; i < kLanes; ++i) lanes[i] = absorb(lanes[i], words[i]);
  }
  if (at < bytes.size()) {  // the rest, filled up with zeros; the size tells them from bytes
    words = {};
    std::memcpy(words.data(), bytes.data() + at, bytes.size() - at);
    for (size_t i = 0; i < kLanes; ++i) lanes[i] = absorb(lanes[i], words[i]);
  }
  uint64_t hash = mix64(bytes.size());
  for (const uint64_t lane : lanes) hash = hash_combine(hash, lane);
  return hash;
}

uint64_t hash_text(std::string_view text, uint64_t seed) {
  return hash_bytes(std::as_bytes(std::span(text.data(), text.size())), seed);
}

uint64_t hash_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  if (bytes.size() <= kWholeFile) return hash_bytes(bytes);
  uint64_t hash = hash_bytes(bytes.first(kHead), bytes.size());
  const size_t distance = (bytes.size() - kHead - kTail) / kBlocks;
  for (size_t i = 0; i < kBlocks; ++i)
    hash = hash_bytes(bytes.subspan(kHead + i * distance, std::min(kBlock, distance)), hash);
  return hash_bytes(bytes.last(kTail), hash);
}

std::string hash_digits(uint64_t hash) {
  return fmt::format("{:016x}", hash);
}

}  // namespace ilora
