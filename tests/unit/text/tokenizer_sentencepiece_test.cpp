// tokenizer.model: a small vocabulary, and what is told about files that are not read. That a real one
// is read as SentencePiece does: tests/golden/tokenizers_test.cpp.
#include <fmt/format.h>

#include <cstring>

#include "tests/unit/formats/bytes.h"
#include "tests/unit/text/tokenizer_fixture.h"

namespace ilora {
namespace {

using test::expect_error;
using test::Ids;
using ::testing::ElementsAre;

// A field of a protocol buffer: a tag, and a number or a length and bytes (each below 128).
std::string field(int number, int value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}
std::string field(int number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}
std::string piece(const std::string& text, float score, int type) {
  std::string number(sizeof score, '\0');
  std::memcpy(number.data(), &score, sizeof score);
  return field(1, field(1, text) + static_cast<char>(2 << 3 | 5) + number + field(3, type));
}

struct SmallModel {
  std::string pieces = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) +
                       bytes_of_all() + piece("\xE2\x96\x81", -1, 1) + piece("a", -2, 1) +
                       piece("b", -3, 1) + piece("ab", -4, 1) +
                       piece(
                           "\xE2\x96\x81"
                           "a",
                           -5, 1);
  std::string trainer = field(3, 2), normalizer = field(4, 0);  // BPE, keeps white space

  static std::string bytes_of_all() {
    std::string all;
    for (int byte = 0; byte < 256; ++byte) all += piece(fmt::format("<0x{:02X}>", byte), 0, 6);
    return all;
  }
  std::string content() const { return pieces + field(2, trainer) + field(3, normalizer); }
};

Tokenizer load_model(const std::string& content) {
  const test::TestFolder folder("tokenizer-model");
  folder.write("tokenizer.model", content);
  return Tokenizer::from_folder(folder.path());
}

TEST(TokenizerModel, SmallVocabulary) {
  const Tokenizer tokenizer = load_model(SmallModel().content());
  const int32_t space = 259, a = 260, b = 261, ab = 262, space_a = 263;
  EXPECT_THAT(tokenizer.encode("ab"), ElementsAre(space, ab));  // ab goes before the later a
  EXPECT_THAT(tokenizer.encode("aa b"), ElementsAre(space_a, a, space, b));
  EXPECT_THAT(tokenizer.encode("\n"), ElementsAre(space, 13));  // by its byte
  EXPECT_THAT(tokenizer.encode(""), ElementsAre());
  EXPECT_THAT(tokenizer.encode("a</s>a", true), ElementsAre(space_a, 2, space_a));
  EXPECT_EQ(tokenizer.decode(Ids{1, space_a, b, space_a, 2}), "ab a");
  EXPECT_EQ(tokenizer.decode(Ids{1, space_a}, false), "<s> a");
  EXPECT_EQ(tokenizer.token_bytes(space_a), " a");
  StreamDecoder stream(tokenizer);
  for (const char* expected : {"a", " a"}) EXPECT_EQ(stream.push(space_a), expected);
  EXPECT_EQ(stream.finish(), "");
  EXPECT_EQ(stream.push(space_a), "a");  // a new text
}

TEST(TokenizerModel, Errors) {
  const auto check = [](ErrorKind kind, const std::string& part, auto change) {
    SmallModel model;
    change(model);
    expect_error(kind, {part, "tokenizer.model"}, [&] { load_model(model.content()); });
  };
  const auto kUnsupported = ErrorKind::kUnsupported;
  check(kUnsupported, "other than BPE", [](SmallModel& m) { m.trainer = field(3, 1); });
  check(kUnsupported, "suffix", [](SmallModel& m) { m.trainer += std::string("\xC0\x01\x01"); });
  check(kUnsupported, "rules", [](SmallModel& m) { m.normalizer += field(2, "x"); });
  check(kUnsupported, "extra white space", [](SmallModel& m) { m.normalizer = ""; });
  check(kUnsupported, "not escaped", [](SmallModel& m) { m.normalizer += field(5, 0); });
  check(kUnsupported, "<0x00>", [](SmallModel& m) { m.pieces = piece("a", 0, 1); });
  check(ErrorKind::kFormat, "damaged", [](SmallModel& m) { m.pieces = "{\"a\": 1}"; });
  check(ErrorKind::kFormat, "damaged", [](SmallModel& m) { m.normalizer += "\x1A\x7F"; });
  check(ErrorKind::kFormat, "each token once", [](SmallModel& m) { m.pieces += piece("a", 0, 1); });
  const std::string whole = SmallModel().content();
  for (size_t size = 0; size < whole.size(); size += 97) {
    const std::string cut = whole.substr(0, size);
    EXPECT_THROW(load_model(cut), Error) << size;
  }
}

}  // namespace
}  // namespace ilora
