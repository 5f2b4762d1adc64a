// A run's state in one file: everything comes back to the bit, and what does not fit is named.
#include "train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;

struct State {
  int64_t count = 0;
  double real = 0;
  Buffer flat{DType::kF32, {5}};
  std::vector<Row> kept;

  void visit(StateVisitor& visitor) {
    visitor.value("count", count);
    visitor.value("real", real);
    visitor.vector("flat", flat.view());
    visitor.rows("kept", kept);
  }
};

TEST(Checkpoint, BringsEverythingBack) {
  const TemporaryFolder folder;
  State written;
  written.count = (int64_t{1} << 53) + 1;  // more than a double holds
  written.real = 0.1 + 1e-17;
  const float values[5] = {1.5f, -0.0f, 1e-42f, 3.4e38f, std::nextafterf(1.0f, 2.0f)};
  std::copy_n(values, 5, written.flat.ptr<float>());
  for (int i = 0; i < 3; ++i) {
    Row& row = written.kept.emplace_back();
    row.tokens.assign(static_cast<size_t>(i + 2), 100000 + i);
    row.prompt_length = i + 1;
    row.task = i;
    row.id = 0xfedcba9876543210u + static_cast<uint64_t>(i);
    if (i == 1) row.top_logits = {2, {7, 8, 9, 10}, {0.5f, -1e30f, 1e-42f, 3.0f}};
  }
  StateWriter writer;
  written.visit(writer);
  writer.json("names", Json({"fast", "slow"}));
  writer.write(folder / "state.safetensors");

  State read;
  read.kept.resize(7);  // replaced, not added to
  StateReader reader(folder / "state.safetensors");
  read.visit(reader);
  EXPECT_EQ(read.count, written.count);
  EXPECT_EQ(read.real, written.real);
  EXPECT_EQ(std::memcmp(read.flat.ptr<float>(), values, sizeof values), 0);
  ASSERT_EQ(read.kept.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(read.kept[i].tokens, written.kept[i].tokens);
    EXPECT_EQ(read.kept[i].prompt_length, written.kept[i].prompt_length);
    EXPECT_EQ(read.kept[i].task, written.kept[i].task);
    EXPECT_EQ(read.kept[i].id, written.kept[i].id);
    EXPECT_EQ(read.kept[i].top_logits.k, written.kept[i].top_logits.k);
    EXPECT_EQ(read.kept[i].top_logits.tokens, written.kept[i].top_logits.tokens);
    EXPECT_EQ(read.kept[i].top_logits.logits, written.kept[i].top_logits.logits);
  }
  EXPECT_EQ(reader.json("names"), Json({"fast", "slow"}));
}

TEST(Checkpoint, GapsOfConversationsComeBack) {
  const TemporaryFolder folder;
  const fs::path path = folder / "state.safetensors";
  State written;
  for (int i = 0; i < 3; ++i) {
    Row& row = written.kept.emplace_back();
    row.tokens.assign(9, 5 + i);
    row.prompt_length = 3;
  }
  written.kept[0].gaps = {{1, 2, true}, {4, 6, false}};
  written.kept[2].gaps = {{5, 7, true}};
  const auto saved = [&] {
    StateWriter writer;
    written.visit(writer);
    writer.write(path);
    State read;
    StateReader reader(path);
    read.visit(reader);
    return read;
  };
  const State read = saved();
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(read.kept[i].gaps.size(), written.kept[i].gaps.size());
    EXPECT_EQ(read.kept[i].label_count(), written.kept[i].label_count());
    EXPECT_EQ(read.kept[i].label_count(Labels::kPromptAndAnswer),
              written.kept[i].label_count(Labels::kPromptAndAnswer));
    EXPECT_EQ(read.kept[i].bytes(), written.kept[i].bytes());
  }
  for (const Unlabelled& wrong : {Unlabelled{7, 9}, {6, 6}, {5, 7}}) {  // the last, none, crossed
    written.kept[2].gaps = {{2, 6, false}, wrong};
    if (wrong.begin == 7) written.kept[2].gaps = {wrong};
    EXPECT_THAT(message_of(saved), HasSubstr("kept.gaps is damaged"));
  }
}

TEST(Checkpoint, EmptyRowsAreRows) {
  const TemporaryFolder folder;
  State written, read;
  StateWriter writer;
  written.visit(writer);
  writer.write(folder / "state.safetensors");
  StateReader reader(folder / "state.safetensors");
  read.kept.resize(2);
  read.visit(reader);
  EXPECT_TRUE(read.kept.empty());
}

TEST(Checkpoint, NamesWhatIsMissingOrDoesNotFit) {
  const TemporaryFolder folder;
  State written;
  StateWriter writer;
  written.visit(writer);
  writer.write(folder / "state.safetensors");
  StateReader reader(folder / "state.safetensors");
  int64_t x = 0;
  EXPECT_THAT(message_of([&] { reader.value("absent", x); }), HasSubstr("absent"));
  Buffer longer(DType::kF32, {6});
  EXPECT_THAT(message_of([&] { reader.vector("flat", longer.view()); }), HasSubstr("flat"));
  EXPECT_THAT(message_of([&] { reader.vector("other", longer.view()); }), HasSubstr("other"));
  EXPECT_THROW(StateReader(folder / "no-such-file"), Error);
}

TEST(Checkpoint, RefusesNumbersThatCannotBe) {
  const TemporaryFolder folder;
  const fs::path path = folder / "state.safetensors";
  StateWriter writer;
  writer.json("negative", -1);
  writer.json("half", 0.5);
  writer.json("huge", 1'000'000'000'000);
  writer.json("text", "x");
  writer.json("list", Json({1, "a"}));
  writer.write(path);
  StateReader reader(path);
  int64_t x = 7;
  for (const char* name : {"half", "text", "list"})
    EXPECT_THAT(message_of([&] { reader.value(name, x); }),
                AllOf(HasSubstr("a whole number"), HasSubstr(name)));
  EXPECT_THAT(message_of([&] { reader.count("negative", x); }), HasSubstr("the file can hold"));
  EXPECT_THAT(message_of([&] { reader.count("huge", x); }), HasSubstr("the file can hold"));
  EXPECT_EQ(x, 7) << "untouched";
  EXPECT_THAT(message_of([&] { reader.text("half"); }), HasSubstr("a text in half, got 0.5"));
  EXPECT_THAT(message_of([&] { reader.texts("list"); }), HasSubstr("a list of texts"));
}

TEST(Checkpoint, RefusesRowsOfTokensOrTasksThatAreNotThere) {
  const TemporaryFolder folder;
  const fs::path path = folder / "state.safetensors";
  State written;
  Row& row = written.kept.emplace_back();
  row.tokens = {5, 6, 7};
  row.prompt_length = 1;
  row.task = 2;
  StateWriter writer;
  written.visit(writer);
  writer.write(path);
  const auto problem = [&](const StateReader::Bounds& bounds) {
    return message_of([&] {
      StateReader reader(path, bounds);
      State read;
      read.visit(reader);
    });
  };
  EXPECT_THAT(problem({7, 3}), HasSubstr("damaged")) << "token 7 of 7";
  EXPECT_THAT(problem({8, 2}), HasSubstr("damaged")) << "task 2 of 2";
  StateReader reader(path, {8, 3});
  State read;
  EXPECT_NO_THROW(read.visit(reader));
}

TEST(Checkpoint, NoticesEveryFlippedBit) {
  const TemporaryFolder folder;
  const fs::path path = folder / "state.safetensors";
  State written;
  StateWriter writer;
  written.visit(writer);
  writer.write(path);
  const std::string whole = read_file(path);
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    std::ofstream(path, std::ios::binary) << flipped;
    EXPECT_THROW(StateReader{path}, Error) << "bit " << bit;
  }
}

}  // namespace
}  // namespace ilora
