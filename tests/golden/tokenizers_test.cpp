// Token ids, decoded texts, splits and chat prompts against Hugging Face's libraries
// and SentencePiece (tests/golden/make_tokenizers.py).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "tests/unit/formats/bytes.h"
#include "tests/unit/text/gguf_writer.h"
#include "text/chat_template.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"

namespace ilora {
namespace {

using Ids = std::vector<int32_t>;
namespace fs = std::filesystem;
const fs::path kSource = ILORA_SOURCE_DIR;

Json golden(const std::string& name) {
  return read_json(kSource / "tests/golden/tokenizers" / name);
}

void expect_golden(const Tokenizer& tokenizer, const std::string& name) {
  const auto corpus = golden("corpus.json").get<std::vector<std::string>>();
  ASSERT_GE(corpus.size(), 300u);
  const Json expected = golden(name);
  const auto plain = expected["plain"].get<std::vector<Ids>>();
  ASSERT_EQ(plain.size(), corpus.size());
  const Json& special = expected["special"];
  EXPECT_FALSE(special.empty());
  for (size_t i = 0; i < corpus.size(); ++i) {
    EXPECT_EQ(tokenizer.encode(corpus[i]), plain[i]) << "line " << i << ": " << corpus[i];
    const std::string key = std::to_string(i);
    const Ids parsed = special.contains(key) ? special[key].get<Ids>() : plain[i];
    EXPECT_EQ(tokenizer.encode(corpus[i], true), parsed) << "line " << i << ": " << corpus[i];
  }
  for (const Json& entry : expected["decoded"]) {
    const auto ids = entry[0].get<Ids>();
    EXPECT_EQ(tokenizer.decode(ids, true), entry[1].get<std::string>()) << entry[0].dump();
    EXPECT_EQ(tokenizer.decode(ids, false), entry[2].get<std::string>()) << entry[0].dump();
  }
}

TEST(Golden, TinyTokenizer) {
  expect_golden(Tokenizer::from_folder(kSource / "tests/data/tiny-tokenizer"), "tiny.json");
}

TEST(Golden, SmolLm2FromGguf) {
  const char* model = std::getenv("ILORA_MODEL");
  if (model == nullptr || *model == '\0') {
    GTEST_SKIP() << "ILORA_MODEL names no SmolLM2-135M-Instruct GGUF";
  }
  const GgufFile file{std::filesystem::path(model)};
  const Tokenizer tokenizer = Tokenizer::from_gguf(file);
  if (tokenizer.vocabulary_size() != 49152) GTEST_SKIP() << model << " is not SmolLM2";
  expect_golden(tokenizer, "smollm2.json");
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  EXPECT_FALSE(tokenizer.adds_bos());
  const ChatTemplate chat(tokenizer);
  EXPECT_EQ(chat.head(),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
            "Face<|im_end|>\n<|im_start|>user\n");
  EXPECT_EQ(chat.turn_end(), 2);
  const Json expected = golden("chat.json")[0];  // the same template
  EXPECT_EQ(tokenizer.chat_template(), expected["template"].get<std::string>());
  EXPECT_EQ(chat.prompt("Hello"), expected["prompt"].get<std::string>());
}

// A shared folder's path, empty where it is absent.
fs::path shared_folder(const std::string& name) {
  const fs::path folder = kSource / "../shared/tokenizers" / name;
  return fs::exists(folder) ? folder : fs::path();
}

// Families whose tokenizer files are not part of this repository.
class SharedTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(SharedTokenizer, Corpus) {
  const std::string name = GetParam();
  const fs::path folder = shared_folder(name);
  if (folder.empty()) GTEST_SKIP() << "no shared tokenizer " << name;
  expect_golden(Tokenizer::from_folder(folder), name + ".json");
}

INSTANTIATE_TEST_SUITE_P(Golden, SharedTokenizer,
                         testing::Values("gpt2", "llama3", "qwen3", "mistral"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Golden, Metaspace) {
  const fs::path folder = shared_folder("mistral");
  if (folder.empty()) GTEST_SKIP() << "no shared tokenizer mistral";
  const Json expected = golden("metaspace.json");
  const auto texts = expected["texts"].get<std::vector<std::string>>();
  const test::TestFolder changed("metaspace");
  Json tree = read_json(folder / "tokenizer.json");
  tree["normalizer"] = nullptr;
  for (const Json& entry : expected["cases"]) {
    SCOPED_TRACE(entry["pre_tokenizer"].dump());
    tree["pre_tokenizer"] = entry["pre_tokenizer"];
    write_json(changed.path() / "tokenizer.json", tree);
    const Tokenizer tokenizer = Tokenizer::from_folder(changed.path());
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(tokenizer.encode(texts[i]), entry["plain"][i].get<Ids>()) << texts[i];
      EXPECT_EQ(tokenizer.encode(texts[i], true), entry["special"][i].get<Ids>()) << texts[i];
    }
  }
}

// Llama 2 has no tokenizer.json there, so this is SentencePiece's own file against SentencePiece.
TEST(Golden, Llama2FromItsSentencePieceModel) {
  const fs::path folder = shared_folder("llama2");
  if (folder.empty()) GTEST_SKIP() << "no shared tokenizer llama2";
  const Tokenizer tokenizer = Tokenizer::from_folder(folder);
  expect_golden(tokenizer, "llama2.json");
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_TRUE(tokenizer.is_special(0));  // <unk>
}

// A token of Llama 2's vocabulary as its files write it.
std::string written_piece(const Tokenizer& tokenizer, int32_t id) {
  if (id >= 3 && id < 259) return fmt::format("<0x{:02X}>", id - 3);
  std::string text(tokenizer.token_bytes(id));
  for (size_t at = 0; (at = text.find(' ', at)) != text.npos;) text.replace(at, 1, "\xE2\x96\x81");
  return text;
}

// The same vocabulary as a converter to GGUF writes it. A piece's score falls with its id; all
// those of spaces alone have one score, below every other.
TEST(Golden, Llama2FromGguf) {
  const fs::path folder = shared_folder("llama2");
  if (folder.empty()) GTEST_SKIP() << "no shared tokenizer llama2";
  const Tokenizer model = Tokenizer::from_folder(folder);
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  std::vector<float> scores;
  for (int32_t id = 0; id < model.vocabulary_size(); ++id) {
    tokens.push_back(written_piece(model, id));
    types.push_back(id == 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1);
    const bool spaces = model.token_bytes(id).find_first_not_of(' ') == std::string_view::npos;
    scores.push_back(id < 259 ? 0.0f : spaces ? -1e9f : 259.0f - static_cast<float>(id));
  }
  test::GgufWriter writer;
  writer.text("tokenizer.ggml.model", "llama");
  writer.text("tokenizer.ggml.pre", "default");
  writer.texts("tokenizer.ggml.tokens", tokens);
  writer.numbers("tokenizer.ggml.scores", scores);
  writer.integers("tokenizer.ggml.token_type", types);
  writer.u32("tokenizer.ggml.bos_token_id", 1);
  writer.u32("tokenizer.ggml.eos_token_id", 2);
  const std::string content = writer.finish();
  const GgufFile file = GgufFile::from_bytes(test::as_bytes(content), "llama2.gguf");
  const Tokenizer tokenizer = Tokenizer::from_gguf(file);
  expect_golden(tokenizer, "llama2.json");
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.encode("<s>", true), Ids{1});
}

// A byte-level tokenizer.json as a converter to GGUF writes it, under the name of its
// pre-tokenizer.
struct NamedPreTokenizer {
  const char *family, *name;
  bool adds_bos;
};
class ByteLevelGguf : public testing::TestWithParam<NamedPreTokenizer> {};

TEST_P(ByteLevelGguf, Corpus) {
  const std::string family = GetParam().family;
  const fs::path folder = shared_folder(family);
  if (folder.empty()) GTEST_SKIP() << "no shared tokenizer " << family;
  // Not Json: with its ordered objects a vocabulary of this size takes seconds.
  const auto tree = nlohmann::json::parse(read_file(folder / "tokenizer.json"));
  std::map<int32_t, std::pair<std::string, int32_t>> by_id;  // text and type
  for (const auto& [token, id] : tree["model"]["vocab"].items())
    by_id[id.get<int32_t>()] = {token, 1};
  for (const auto& token : tree["added_tokens"]) {
    by_id[token["id"].get<int32_t>()] = {token["content"].get<std::string>(),
                                         token["special"].get<bool>() ? 3 : 4};
  }
  std::vector<std::string> tokens, merges;
  std::vector<int32_t> types;
  for (const auto& [id, token] : by_id) {
    tokens.push_back(token.first);
    types.push_back(token.second);
  }
  for (const auto& merge : tree["model"]["merges"]) {
    merges.push_back(merge.is_string()
                         ? merge.get<std::string>()
                         : merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  test::GgufWriter writer;
  writer.text("tokenizer.ggml.model", "gpt2");
  writer.text("tokenizer.ggml.pre", GetParam().name);
  writer.texts("tokenizer.ggml.tokens", tokens);
  writer.integers("tokenizer.ggml.token_type", types);
  writer.texts("tokenizer.ggml.merges", merges);
  writer.u32("tokenizer.ggml.bos_token_id", 0);
  const std::string content = writer.finish();
  const GgufFile file = GgufFile::from_bytes(test::as_bytes(content), family + ".gguf");
  const Tokenizer tokenizer = Tokenizer::from_gguf(file);
  expect_golden(tokenizer, family + ".json");
  EXPECT_EQ(tokenizer.adds_bos(), GetParam().adds_bos);
}

INSTANTIATE_TEST_SUITE_P(Golden, ByteLevelGguf,
                         testing::Values(NamedPreTokenizer{"gpt2", "gpt-2", false},
                                         NamedPreTokenizer{"llama3", "llama-bpe", true},
                                         NamedPreTokenizer{"qwen3", "qwen2", false}),
                         [](const auto& test) { return std::string(test.param.family); });

TEST(Golden, SplitBehaviours) {
  const std::pair<const char*, SplitBehaviour> names[] = {
      {"Isolated", SplitBehaviour::kIsolated},
      {"Removed", SplitBehaviour::kRemoved},
      {"MergedWithPrevious", SplitBehaviour::kMergedWithPrevious},
      {"MergedWithNext", SplitBehaviour::kMergedWithNext},
      {"Contiguous", SplitBehaviour::kContiguous}};
  const Json expected = golden("splits.json");
  const auto texts = expected["texts"].get<std::vector<std::string>>();
  for (const Json& entry : expected["cases"]) {
    PreTokenizerStep step;
    step.pattern = entry["pattern"].get<std::string>();
    step.invert = entry["invert"].get<bool>();
    for (const auto& [name, behaviour] : names) {
      if (entry["behavior"].get<std::string>() == name) step.behaviour = behaviour;
    }
    const PreTokenizer pre_tokenizer({step}, "test");
    PreTokenizer::Scratch scratch;
    for (size_t i = 0; i < texts.size(); ++i) {
      pre_tokenizer.split(texts[i], true, scratch);
      const std::vector<std::string> pieces(scratch.words.begin(), scratch.words.end());
      EXPECT_EQ(pieces, entry["pieces"][i].get<std::vector<std::string>>())
          << step.pattern << ' ' << entry["behavior"] << ' ' << step.invert << " on '" << texts[i]
          << "'";
    }
  }
}

}  // namespace
}  // namespace ilora
