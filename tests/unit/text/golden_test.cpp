// Token ids, decoded texts, splits and chat prompts against Hugging Face's libraries
// (tests/golden/make_tokenizers.py).
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "formats/gguf.h"
#include "text/chat_template.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"

namespace ilora {
namespace {

using Ids = std::vector<int32_t>;
const std::filesystem::path kSource = ILORA_SOURCE_DIR;

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
  EXPECT_EQ(chat.system_message(),
            "You are a helpful AI assistant named SmolLM, trained by Hugging Face");
  EXPECT_EQ(chat.turn_end(), 2);
  const Json expected = golden("chat.json")[0];  // the same template
  EXPECT_EQ(tokenizer.chat_template(), expected["template"].get<std::string>());
  EXPECT_EQ(chat.prompt("Hello"), expected["prompt"].get<std::string>());
}

// Families whose tokenizer files are not part of this repository.
class SharedTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(SharedTokenizer, Corpus) {
  const std::string name = GetParam();
  const auto folder = kSource / "../shared/tokenizers" / name;
  if (!std::filesystem::exists(folder / "tokenizer.json")) GTEST_SKIP() << "no " << folder.string();
  expect_golden(Tokenizer::from_folder(folder), name + ".json");
}

INSTANTIATE_TEST_SUITE_P(Golden, SharedTokenizer, testing::Values("gpt2", "llama3", "qwen3"),
                         [](const auto& test) { return std::string(test.param); });

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
      pre_tokenizer.split(texts[i], scratch);
      const std::vector<std::string> pieces(scratch.words.begin(), scratch.words.end());
      EXPECT_EQ(pieces, entry["pieces"][i].get<std::vector<std::string>>())
          << step.pattern << ' ' << entry["behavior"] << ' ' << step.invert << " on '" << texts[i]
          << "'";
    }
  }
}

}  // namespace
}  // namespace ilora
