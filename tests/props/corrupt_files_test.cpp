// Thousands of damaged files: each is refused with ilora::Error, or read with every view inside the
// file. The bytes lie in heap blocks of their exact size, so the address sanitizer sees any step
// outside.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/random.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "tests/unit/formats/bytes.h"

namespace ilora {
namespace {

using test::Bytes;

struct Tally {
  int64_t read = 0, refused = 0;
};

void require_inside(std::span<const std::byte> part, const Bytes& file) {
  if (part.empty()) return;
  ASSERT_GE(part.data(), file.data());
  ASSERT_LE(part.data() + part.size(), file.data() + file.size());
}

void require_inside(std::string_view part, const Bytes& file) {
  require_inside(test::as_bytes(part), file);
}

// Touches every byte, so that a bad view is a crash here and not a matter of pointers alone.
void use(const StoredTensor& tensor, const Bytes& file) {
  require_inside(tensor.bytes, file);
  ASSERT_EQ(static_cast<int64_t>(tensor.bytes.size()), dtype_bytes(tensor.dtype, tensor.size()));
  if (tensor.dtype == DType::kF64 || tensor.dtype == DType::kI32 || tensor.size() == 0) return;
  std::vector<float> out(static_cast<size_t>(tensor.size()));
  expand_rows(out.data(), tensor, 0, tensor.size() / tensor.row_length());
}

void try_gguf(const Bytes& bytes, Tally& tally) {
  try {
    const GgufFile file = GgufFile::from_bytes(bytes, "x.gguf");
    for (const auto& [key, value] : file.metadata()) {
      require_inside(key, bytes);
      require_inside(value.bytes, bytes);
      for (const std::string_view text : value.strings) require_inside(text, bytes);
    }
    for (const StoredTensor& tensor : file.tensors()) use(tensor, bytes);
    ++tally.read;
  } catch (const Error& e) {
    ASSERT_NE(e.kind(), ErrorKind::kInternal) << e.what();
    ++tally.refused;
  }
}

void try_safetensors(const Bytes& bytes, Tally& tally) {
  try {
    const SafetensorsFile file = SafetensorsFile::from_bytes(bytes, "x.safetensors");
    for (const StoredTensor& tensor : file.tensors()) use(tensor, bytes);
    ++tally.read;
  } catch (const Error& e) {
    ASSERT_NE(e.kind(), ErrorKind::kInternal) << e.what();
    ++tally.refused;
  }
}

// Up to four changes: a byte set, a bit flipped, eight bytes set to an extreme number, a piece
// removed or doubled, the end cut off.
Bytes mutate(const std::string& original, const Random& random) {
  std::string content = original;
  uint64_t counter = 0;
  const auto below = [&](size_t bound) {
    return static_cast<size_t>(random.below(counter++, std::max<size_t>(bound, 1)));
  };
  for (size_t changes = 1 + below(4); changes > 0 && !content.empty(); --changes) {
    const size_t at = below(content.size());
    const size_t most = content.size() - at;
    switch (below(6)) {
      case 0:
        content[at] = static_cast<char>(below(256));
        break;
      case 1:
        content[at] = static_cast<char>(content[at] ^ (1 << below(8)));
        break;
      case 2: {
        const uint64_t extremes[] = {
            0, 1, ~uint64_t{0}, uint64_t{1} << 63, uint64_t{1} << 62, uint64_t{1} << 32};
        std::memcpy(content.data() + at, &extremes[below(6)], std::min<size_t>(8, most));
        break;
      }
      case 3:
        content.erase(at, 1 + below(std::min<size_t>(16, most)));
        break;
      case 4:
        content.insert(at, content.substr(at, 1 + below(std::min<size_t>(32, most))));
        break;
      default:
        content.resize(at);
        break;
    }
  }
  const auto bytes = test::as_bytes(content);
  return {bytes.begin(), bytes.end()};
}

template <class Try>
Tally try_mutations(const std::string& original, uint64_t substream, Try&& attempt) {
  Tally tally;
  for (uint64_t i = 0; i < 5000; ++i)
    attempt(mutate(original, Random(i, Stream::kTest, substream)), tally);
  for (size_t at = 0; at < original.size(); ++at) {  // and every byte by every bit
    for (int bit = 0; bit < 8; ++bit) {
      const auto bytes = test::as_bytes(original);
      Bytes flipped(bytes.begin(), bytes.end());
      flipped[at] ^= std::byte{1} << bit;
      attempt(flipped, tally);
    }
  }
  // Both happen, or the test looks at one side alone.
  EXPECT_GT(tally.read, 100);
  EXPECT_GT(tally.refused, 1000);
  return tally;
}

TEST(Corrupt, Gguf2) {
  try_mutations(test::small_gguf(2), 2, try_gguf);
}
TEST(Corrupt, Gguf3) {
  try_mutations(test::small_gguf(3), 3, try_gguf);
}
TEST(Corrupt, Safetensors) {
  try_mutations(test::small_safetensors(), 4, try_safetensors);
}

}  // namespace
}  // namespace ilora
