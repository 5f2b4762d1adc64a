#include "base/hash.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "base/file.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

// Runs record these: another value would make every one of them look changed.
TEST(Hash, DoesNotChange) {
  EXPECT_EQ(hash_digits(hash_text("")), "4ebaaffa9021e4d3");
  EXPECT_EQ(hash_digits(hash_text("a text that is longer than one block of 32 bytes")),
            "61078d8aa5e7f32b");
  EXPECT_EQ(hash_digits(0xf), "000000000000000f");
}

TEST(Hash, TellsTextsApart) {
  std::set<uint64_t> seen;
  std::string text(100, 'a');
  for (size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = 'b';
    seen.insert(hash_text(other));
    seen.insert(hash_text(text.substr(0, i)));
    seen.insert(hash_text(text.substr(0, i) + std::string(1, '\0')));  // not what filling up gives
  }
  EXPECT_EQ(seen.size(), 300U);
  EXPECT_NE(hash_text("ab", hash_text("c")), hash_text("b", hash_text("ca")));
  EXPECT_NE(hash_text("ab", 1), hash_text("ab", 2));
}

TEST(Hash, OfASmallFileIsThatOfItsBytes) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "file", "some text");
  EXPECT_EQ(hash_file(folder / "file"), hash_text("some text"));
}

// A file with holes, so that it takes no room.
constexpr int64_t kSize = int64_t{1} << 30;

TEST(Hash, OfALargeFileSeesItsSizeItsEndsAndWhatIsChangedAllOver) {
  const TemporaryFolder folder;
  const auto hash_with = [&](int64_t at, int64_t size = kSize) {
    std::ofstream(folder / "file") << "head";
    std::filesystem::resize_file(folder / "file", static_cast<uintmax_t>(size));
    std::fstream file(folder / "file", std::ios::in | std::ios::out);
    file.seekp(at);
    file << "x";
    file.close();
    return hash_file(folder / "file");
  };
  std::set<uint64_t> hashes;
  for (const int64_t at : {int64_t{5}, kSize - 1}) hashes.insert(hash_with(at));
  hashes.insert(hash_with(5, kSize + 1));
  EXPECT_EQ(hashes.size(), 3U);
}

}  // namespace
}  // namespace ilora
