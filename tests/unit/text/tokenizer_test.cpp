// Properties of the tokenizer, and what damaged files are told.
#include "text/tokenizer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "formats/gguf.h"
#include "tests/unit/formats/bytes.h"
#include "tests/unit/text/gguf_writer.h"
#include "text/utf8.h"

namespace ilora {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;
using Ids = std::vector<int32_t>;

const fs::path kTiny = fs::path(ILORA_SOURCE_DIR) / "tests/data/tiny-tokenizer";

const Tokenizer& tiny() {
  static const Tokenizer tokenizer = Tokenizer::from_folder(kTiny);
  return tokenizer;
}

// A string of `length` characters: ASCII, white space, Latin, CJK, emoji, marks and anything else.
std::string random_text(const Random& random, uint64_t& counter, uint64_t length) {
  static constexpr char32_t kStarts[] = {0x20,  0x20,   0x61,    0x30,   0x09, 0xC0,
                                         0x300, 0x4E00, 0x1F600, 0x2000, 0x1};
  std::string text;
  for (uint64_t i = 0; i < length; ++i) {
    const uint64_t kind = random.below(counter++, std::size(kStarts) + 1);
    char32_t character;
    if (kind < std::size(kStarts)) {
      character = kStarts[kind] + static_cast<char32_t>(random.below(counter++, 26));
    } else {
      character = static_cast<char32_t>(random.below(counter++, 0x110000));
      if (character >= 0xD800 && character < 0xE000) character = 0xFFFD;
    }
    append_utf8(text, character);
  }
  return text;
}

TEST(Tokenizer, DecodeInvertsEncode) {
  const Random random(3, Stream::kTest);
  uint64_t counter = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random_text(random, counter, random.below(counter++, 40));
    EXPECT_EQ(tiny().decode(tiny().encode(text)), text);
    EXPECT_EQ(tiny().decode(tiny().encode(text, true), false), text);
  }
}

TEST(Tokenizer, DecodeInvertsEncodeOnTheCorpus) {
  const auto corpus = read_json(fs::path(ILORA_SOURCE_DIR) / "tests/golden/tokenizers/corpus.json")
                          .get<std::vector<std::string>>();
  for (const std::string& text : corpus) {
    // Added tokens with lstrip or rstrip take white space with them.
    if (text.find("[MASK]") != text.npos || text.find("[SEP]") != text.npos) continue;
    EXPECT_EQ(tiny().decode(tiny().encode(text)), text);
    EXPECT_EQ(tiny().decode(tiny().encode(text, true), false), text);
  }
}

TEST(Tokenizer, InvalidUtf8IsReplacedBeforeEncoding) {
  const Random random(5, Stream::kTest);
  uint64_t counter = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = random_text(random, counter, 8);
    for (int k = 0; k < 3 && !bytes.empty(); ++k) {
      bytes[random.below(counter, bytes.size())] =
          static_cast<char>(random.below(counter + 1, 256));
      counter += 2;
    }
    EXPECT_EQ(tiny().encode(bytes), tiny().encode(replace_invalid_utf8(bytes)));
    EXPECT_EQ(tiny().decode(tiny().encode(bytes)), replace_invalid_utf8(bytes));
  }
}

TEST(StreamDecoder, JoinedEqualsDecode) {
  const Random random(4, Stream::kTest);
  uint64_t counter = 0;
  int held_back = 0;
  for (int i = 0; i < 3000; ++i) {
    // Half of the sequences are ids of texts, half random ids, mostly of single bytes.
    Ids ids = tiny().encode(random_text(random, counter, 12));
    if (i % 2 == 0) {
      for (int32_t& id : ids)
        id = static_cast<int32_t>(random.below(counter++, i % 4 == 0 ? 270 : 1000));
    }
    StreamDecoder decoder(tiny());
    std::string joined;
    for (const int32_t id : ids) {
      const std::string text = decoder.push(id);
      EXPECT_EQ(find_invalid_utf8(text), text.size());
      held_back += text.empty() ? 1 : 0;
      joined += text;
    }
    joined += decoder.finish();
    EXPECT_EQ(joined, tiny().decode(ids));
  }
  EXPECT_GT(held_back, 100);
}

TEST(StreamDecoder, KeepsSpecialTokensWhereAsked) {
  StreamDecoder without(tiny()), with(tiny(), false);
  EXPECT_EQ(without.push(2), "");
  EXPECT_EQ(with.push(2), "<|im_end|>");
}

TEST(Tokenizer, TheTinyTokenizerIsWhatOtherTestsRelyOn) {
  EXPECT_EQ(tiny().vocabulary_size(), 1000);
  EXPECT_EQ(tiny().find("<|endoftext|>"), 0);
  EXPECT_EQ(tiny().find("<|im_start|>"), 1);
  EXPECT_EQ(tiny().find("<|im_end|>"), 2);
  EXPECT_EQ(tiny().find("no such token"), -1);
  EXPECT_EQ(tiny().bos(), 0);
  EXPECT_EQ(tiny().eos(), 2);
  EXPECT_FALSE(tiny().adds_bos());
  EXPECT_TRUE(tiny().is_special(2));
  EXPECT_FALSE(tiny().is_special(995));
  EXPECT_EQ(tiny().token_bytes(2), "<|im_end|>");
  EXPECT_EQ(tiny().token_bytes(tiny().find("\xC4\xA0the")), " the");
}

TEST(Tokenizer, ManyThreadsGetTheSameIds) {
  const Random random(6, Stream::kTest);
  std::vector<std::string> texts;
  std::vector<Ids> expected, got(64);
  uint64_t counter = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    texts.push_back(random_text(random, counter, 200));
    expected.push_back(tiny().encode(texts.back()));
  }
  const Tokenizer tokenizer = Tokenizer::from_folder(kTiny);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < texts.size(); i += 4) got[i] = tokenizer.encode(texts[i]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got, expected);
}

TEST(Tokenizer, LongWordsTakeNoQuadraticTime) {
  const std::string text(300'000, 'a');  // one word; a quadratic loop would take minutes
  EXPECT_EQ(tiny().decode(tiny().encode(text)), text);
  const std::string spaces = std::string(300'000, ' ') + "x" + std::string(300'000, '!');
  EXPECT_EQ(tiny().decode(tiny().encode(spaces)), spaces);
}

// ---- what is told about wrong input
// ---------------------------------------------------------------------------

void expect_error(ErrorKind kind, const std::vector<std::string>& parts,
                  const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    for (const std::string& part : parts) EXPECT_THAT(error.what(), HasSubstr(part));
  }
}

TEST(TokenizerErrors, IdsOutsideTheVocabulary) {
  for (const int32_t id : {-1, 1000}) {
    expect_error(ErrorKind::kData, {"from 0 to 999", std::to_string(id)}, [&] {
      tiny().decode(Ids{5, id});
    });
    expect_error(ErrorKind::kData, {"from 0 to 999"}, [&] { tiny().token_bytes(id); });
    expect_error(ErrorKind::kData, {"from 0 to 999"}, [&] { StreamDecoder(tiny()).push(id); });
  }
}

// A folder with the tiny tokenizer's files, changed.
class Folder {
 public:
  Folder()
      : path_(fs::temp_directory_path() /
              ("ilora-text-" + std::to_string(counter_++) + "-" + std::to_string(::getpid()))) {
    make_folder(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  Tokenizer load(const std::function<void(Json&)>& change,
                 const std::function<void(Json&)>& change_config = {}) const {
    Json tree = read_json(kTiny / "tokenizer.json");
    change(tree);
    write_json(path_ / "tokenizer.json", tree);
    Json config = read_json(kTiny / "tokenizer_config.json");
    if (change_config) change_config(config);
    write_json(path_ / "tokenizer_config.json", config);
    return Tokenizer::from_folder(path_);
  }

 private:
  static inline int counter_ = 0;
  fs::path path_;
};

TEST(TokenizerErrors, DamagedTokenizerJson) {
  struct Case {
    ErrorKind kind;
    std::vector<std::string> parts;
    std::function<void(Json&)> change;
  };
  const auto kFormat = ErrorKind::kFormat;
  const auto kUnsupported = ErrorKind::kUnsupported;
  const Case cases[] = {
      {kFormat,
       {"tokenizer.json: model.vocab", "id 500", "gap"},
       [](Json& t) {
         for (auto& [text, id] : t["model"]["vocab"].items()) {
           if (id == 500) id = 5000;
         }
       }},
      {kFormat,
       {"one token for each id", "for 7"},
       [](Json& t) { t["model"]["vocab"]["doubled"] = 7; }},
      {kFormat,
       {"a token id", "-3", "model.vocab: odd"},
       [](Json& t) { t["model"]["vocab"]["odd"] = -3; }},
      {kFormat,
       {"merges, entry 10", "'zzzz'"},
       [](Json& t) {
         t["model"]["merges"][10] = {"zzzz", "a"};
       }},
      {kFormat,
       {"model.merges[3]", "two symbols"},
       [](Json& t) { t["model"]["merges"][3] = "ab"; }},
      {kFormat, {"model.merges[3]", "two symbols"}, [](Json& t) { t["model"]["merges"][3] = 5; }},
      {kFormat,
       {"tokenizer.json: model", "key merges"},
       [](Json& t) { t["model"].erase("merges"); }},
      {kFormat, {"tokenizer.json", "key model"}, [](Json& t) { t.erase("model"); }},
      {kFormat,
       {"added_tokens[0]", "key content"},
       [](Json& t) { t["added_tokens"][0].erase("content"); }},
      {kUnsupported, {"Unigram", "model"}, [](Json& t) { t["model"]["type"] = "Unigram"; }},
      {kUnsupported, {"byte_fallback"}, [](Json& t) { t["model"]["byte_fallback"] = true; }},
      {kUnsupported,
       {"end_of_word_suffix"},
       [](Json& t) { t["model"]["end_of_word_suffix"] = "</w>"; }},
      {kUnsupported,
       {"normalizer", "Lowercase"},
       [](Json& t) {
         t["normalizer"] = {{"type", "Lowercase"}};
       }},
      {kUnsupported,
       {"pre_tokenizer.pretokenizers[0]", "Whitespace"},
       [](Json& t) {
         t["pre_tokenizer"]["pretokenizers"][0] = {{"type", "Whitespace"}};
       }},
      {kFormat,
       {"pre_tokenizer.pretokenizers[0].prepend_scheme", "first, always or never", "often"},
       [](Json& t) {
         t["pre_tokenizer"]["pretokenizers"][0] = {
             {"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "often"}};
       }},
      {kUnsupported, {"no pre-tokenizer ByteLevel"}, [](Json& t) { t["pre_tokenizer"] = nullptr; }},
      {kUnsupported,
       {"decoder", "WordPiece"},
       [](Json& t) {
         t["decoder"] = {{"type", "WordPiece"}};
       }},
      {kFormat,
       {"regular expression", "offset"},
       [](Json& t) {
         t["pre_tokenizer"]["pretokenizers"][0] = {
             {"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}};
       }},
  };
  const Folder folder;
  for (const Case& entry : cases) {
    SCOPED_TRACE(entry.parts.back());
    expect_error(entry.kind, entry.parts, [&] { folder.load(entry.change); });
  }
  const auto keep = [](Json&) {};
  expect_error(kFormat, {"tokenizer_config.json: eos_token", "<none>"},
               [&] { folder.load(keep, [](Json& config) { config["eos_token"] = "<none>"; }); });
  write_file_atomic(folder.path() / "tokenizer.json", "{\"model\":");
  expect_error(kFormat, {"expected JSON", "tokenizer.json"},
               [&] { Tokenizer::from_folder(folder.path()); });
  expect_error(ErrorKind::kFile, {"tokenizer.json", "got none"},
               [] { Tokenizer::from_folder(fs::path(ILORA_SOURCE_DIR) / "src"); });
}

TEST(TokenizerJson, OtherComponents) {
  const Folder folder;
  const Tokenizer nfc = folder.load([](Json& t) { t["normalizer"] = {{"type", "NFC"}}; });
  EXPECT_EQ(nfc.encode("e\xCC\x81t\xC3\xA9"), tiny().encode("\xC3\xA9t\xC3\xA9"));
  const Tokenizer prefix = folder.load([](Json& t) {
    t["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}};
  });
  EXPECT_EQ(prefix.encode("the dog"), tiny().encode(" the dog"));
  EXPECT_EQ(prefix.encode(" the dog"), tiny().encode(" the dog"));
  const Tokenizer strings = folder.load([](Json& t) {  // merges as strings
    for (Json& merge : t["model"]["merges"])
      merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  });
  EXPECT_EQ(strings.encode("the dog is there"), tiny().encode("the dog is there"));
  const Tokenizer template_bos = folder.load(
      [](Json& t) {
        t["post_processor"] = {
            {"type", "TemplateProcessing"},
            {"single", {{{"SpecialToken", {{"id", "<|endoftext|>"}, {"type_id", 0}}}}}}};
      },
      [](Json& config) { config.erase("add_bos_token"); });
  EXPECT_TRUE(template_bos.adds_bos());
}

// ---- tokenizer.model (that a real one is read as SentencePiece does: golden_test.cpp)
// ------------------------------------------------------------------------------------------------------

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

// ---- GGUF
// ------------------------------------------------------------------------------------------------------

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
