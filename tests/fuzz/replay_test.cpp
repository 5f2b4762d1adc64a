// Every reader on its corpus, and on seeded changes of it: nothing but an answer or an error of ours.
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "tests/fuzz/targets.h"

namespace ilora::fuzz {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> corpus(const std::string& name) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(source_file("tests/fuzz/corpus") / name))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> inputs;
  for (const fs::path& file : files) inputs.push_back(read_file(file));
  return inputs;
}

// Up to four changes: a bit flipped, a byte set, a piece removed, doubled or taken from another
// input, the end cut off.
std::string changed(const std::vector<std::string>& inputs, const Random& random) {
  uint64_t counter = 0;
  const auto below = [&](size_t bound) {
    return static_cast<size_t>(random.below(counter++, std::max<size_t>(bound, 1)));
  };
  std::string text = inputs[below(inputs.size())];
  for (size_t changes = 1 + below(4); changes > 0 && !text.empty(); --changes) {
    const size_t at = below(text.size());
    const size_t kind = below(6);
    if (kind == 0) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
    if (kind == 1) text[at] = "\0\xff\"{}[],:0123456789-.eE\n\\ "[below(26)];
    if (kind == 2) text.erase(at, 1 + below(16));
    if (kind == 3) text.insert(at, text.substr(at, 1 + below(32)));
    if (kind == 4) text.resize(at);
    if (kind == 5) {
      const std::string& other = inputs[below(inputs.size())];
      text.insert(at, other.substr(below(other.size()), 1 + below(64)));
    }
  }
  return text;
}

class Replay : public ::testing::TestWithParam<Target> {};

TEST_P(Replay, IsReadOrRefused) {
  const std::vector<std::string> inputs = corpus(GetParam().name);
  ASSERT_FALSE(inputs.empty());
  size_t read = 0;
  for (const std::string& input : inputs) {
    ASSERT_NO_THROW(try_read(GetParam(), input));
    try {
      GetParam().read(input);
      ++read;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(read, 0U) << "no input of the corpus is a whole file";
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(500);
  for (uint64_t i = 0; i < 20'000 && Clock::now() < end; ++i) {
    const std::string input = changed(inputs, Random(i, Stream::kTest));
    ASSERT_NO_THROW(try_read(GetParam(), input)) << "change " << i << ": " << input;
  }
}

INSTANTIATE_TEST_SUITE_P(Readers, Replay, ::testing::ValuesIn(targets().begin(), targets().end()),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace ilora::fuzz
