// A tokenizer from a GGUF file's metadata: a small vocabulary, and what is told about others.
#include "formats/gguf.h"
#include "tests/unit/formats/bytes.h"
#include "tests/unit/text/gguf_writer.h"
#include "tests/unit/text/tokenizer_fixture.h"

namespace ilora {
namespace {

using test::expect_error;
using test::Ids;
using ::testing::ElementsAre;

struct SmallGguf {
  std::vector<std::string> tokens = {"<|end|>",
                                     "a",
                                     "b",
                                     "ab",
                                     "\xC4\xA0",
                                     "\xC4\xA0"
                                     "ab",
                                     "1",
                                     "11",
                                     "<tool>"};
  std::vector<int32_t> types = {3, 1, 1, 1, 1, 1, 1, 1, 4};
  std::vector<std::string> merges = {"a b", "\xC4\xA0 ab", "1 1"};
  std::vector<float> scores;
  std::string model = "gpt2", pre = "smollm";
  uint32_t eos = 0;
  bool without_merges = false;

  Tokenizer load() const {
    test::GgufWriter writer;
    writer.text("tokenizer.ggml.model", model);
    if (!pre.empty()) writer.text("tokenizer.ggml.pre", pre);
    writer.texts("tokenizer.ggml.tokens", tokens);
    writer.integers("tokenizer.ggml.token_type", types);
    if (!scores.empty()) writer.numbers("tokenizer.ggml.scores", scores);
    if (!without_merges) writer.texts("tokenizer.ggml.merges", merges);
    writer.u32("tokenizer.ggml.eos_token_id", eos);
    const std::string bytes = writer.finish();
    return Tokenizer::from_gguf(
        GgufFile::from_bytes(std::as_bytes(std::span(bytes)), "small.gguf"));
  }
};

TEST(TokenizerGguf, UnusedTokensAtTheEndArePadding) {
  SmallGguf file;
  EXPECT_EQ(file.load().used_size(), 9);
  for (const char* text : {"[PAD9]", "[PAD10]"}) {
    file.tokens.emplace_back(text);
    file.types.push_back(5);
  }
  EXPECT_EQ(file.load().vocabulary_size(), 11);
  EXPECT_EQ(file.load().used_size(), 9);
  file.types[9] = 1;
  EXPECT_EQ(file.load().used_size(), 10);
}

// By its name a pre-tokenizer says, among other things, how it cuts numbers.
TEST(TokenizerGguf, PreTokenizersByName) {
  SmallGguf file;
  const auto tokens_of_eleven = [&](const char* name) {
    file.pre = name;
    return file.load().encode("11").size();
  };
  for (const char* name :
       {"gpt-2",     "mpt",      "olmo",   "exaone4", "llama-bpe",   "falcon3",         "dbrx",
        "smaug-bpe", "gpt-4o",   "llama4", "jais",    "trillion",    "granite-docling", "pixtral",
        "falcon-h1", "midm-2.0", "lfm2",   "glm4",    "chatglm-bpe", "minimax-m2"})
    EXPECT_EQ(tokens_of_eleven(name), 1U) << name << ": digits stay together";
  for (const char* name : {"smollm", "starcoder", "refact", "command-r", "qwen2", "stablelm2",
                           "deepseek-r1-qwen", "kormo", "qwen35", "seed-coder", "tekken"})
    EXPECT_EQ(tokens_of_eleven(name), 2U) << name << ": each digit is a word";
}

TEST(TokenizerGguf, SmallVocabulary) {
  const Tokenizer tokenizer = SmallGguf().load();
  EXPECT_THAT(tokenizer.encode("ab ab11"), ElementsAre(3, 5, 6, 6));  // digits apart
  EXPECT_THAT(tokenizer.encode("a<tool>b"),
              ElementsAre(1, 8, 2));  // added, not special: always found
  EXPECT_THAT(tokenizer.encode("ab<|end|>", true), ElementsAre(3, 0));
  EXPECT_THAT(tokenizer.encode("<|end|>"),
              ElementsAre());  // no token for any of these bytes: dropped
  EXPECT_THAT(tokenizer.encode("a?b"), ElementsAre(1, 2));
  EXPECT_EQ(tokenizer.eos(), 0);
  EXPECT_EQ(tokenizer.bos(), -1);
  EXPECT_EQ(tokenizer.decode(Ids{5, 0, 8}), " ab<tool>");
  for (const char* pre : {"gpt2", "gpt-2"}) {
    SmallGguf other;
    other.pre = pre;
    EXPECT_THAT(other.load().encode("ab11"), ElementsAre(3, 7)) << pre;
  }
}

TEST(TokenizerGguf, Errors) {
  const auto check = [](ErrorKind kind, const std::vector<std::string>& parts, auto change) {
    SmallGguf file;
    change(file);
    std::vector<std::string> all = parts;
    all.emplace_back("small.gguf");
    expect_error(kind, all, [&] { file.load(); });
  };
  check(ErrorKind::kUnsupported, {"tokenizer.ggml.pre", "viking"},
        [](SmallGguf& f) { f.pre = "viking"; });
  // Files without a name may be of any model: Llama 3's look like this.
  for (const char* unsaid : {"default", ""})
    check(ErrorKind::kUnsupported, {"tokenizer.ggml.pre", "default"},
          [&](SmallGguf& f) { f.pre = unsaid; });
  check(ErrorKind::kUnsupported, {"tokenizer.ggml.model", "t5"},
        [](SmallGguf& f) { f.model = "t5"; });
  check(ErrorKind::kFormat, {"tokenizer.ggml.scores", "got none"},
        [](SmallGguf& f) { f.model = "llama"; });
  check(ErrorKind::kUnsupported, {"a token for each byte", "<0x00>"}, [](SmallGguf& f) {
    f.model = "llama";
    f.scores = std::vector<float>(f.tokens.size(), 0.0f);
  });
  check(ErrorKind::kFormat, {"tokenizer.ggml.scores", "9", "1"}, [](SmallGguf& f) {
    f.model = "llama";
    f.scores = {0.0f};
  });
  check(ErrorKind::kFormat, {"token_type", "9", "8"}, [](SmallGguf& f) { f.types.pop_back(); });
  check(ErrorKind::kFormat, {"eos_token_id", "below 9", "77"}, [](SmallGguf& f) { f.eos = 77; });
  check(ErrorKind::kFormat, {"entry 1", "'ba' is unknown"},
        [](SmallGguf& f) { f.merges[1] = "b a"; });
  check(ErrorKind::kFormat, {"entry 2", "two symbols"}, [](SmallGguf& f) { f.merges[2] = "11"; });
  check(ErrorKind::kFormat, {"tokenizer.ggml.merges"},
        [](SmallGguf& f) { f.without_merges = true; });
  check(ErrorKind::kFormat, {"each token once", "'a'"}, [](SmallGguf& f) { f.tokens[2] = "a"; });
  check(ErrorKind::kFormat, {"vocabulary"}, [](SmallGguf& f) {
    f.tokens.clear();
    f.types.clear();
    f.merges.clear();
  });
}

}  // namespace
}  // namespace ilora
