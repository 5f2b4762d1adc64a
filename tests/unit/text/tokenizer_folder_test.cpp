// What a folder says of tokens beside its tokenizer.json: added ones, those that end an answer, and
// those that a model has no embeddings for.
#include "base/file.h"
#include "base/json.h"
#include "tests/unit/base/temporary_folder.h"
#include "tests/unit/text/tokenizer_fixture.h"

namespace ilora {
namespace {

using test::expect_error;
using test::Ids;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class TokenizerFolder : public ::testing::Test {
 protected:
  TokenizerFolder() {
    for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
      std::filesystem::copy_file(test::kTinyTokenizer / name, folder_ / name);
    config_ = read_json(folder_ / "tokenizer_config.json");
    first_ = test::tiny().vocabulary_size();
  }
  Tokenizer load(int64_t embeddings = Tokenizer::kAny) {
    write_json(folder_ / "tokenizer_config.json", config_);
    return Tokenizer::from_folder(folder_ / ".", embeddings);
  }
  void add(int32_t id, const std::string& text, bool special) {
    config_["added_tokens_decoder"][std::to_string(id)] = {{"content", text}, {"special", special}};
  }
  TemporaryFolder folder_;
  Json config_;
  int32_t first_ = 0;  // the id behind the tokenizer's
};

TEST_F(TokenizerFolder, AddedTokensDecoderAddsTokensAndSetsFlags) {
  config_.erase("added_tokens_decoder");
  const std::string plain = "<|extra|>";
  ASSERT_GT(load().encode(plain, true).size(), 1u);
  add(first_ + 1, "<|other|>", false);
  add(first_, plain, true);
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.vocabulary_size(), first_ + 2);
  EXPECT_THAT(tokenizer.encode(plain, true), ElementsAre(first_));
  EXPECT_GT(tokenizer.encode(plain, false).size(), 1u);
  EXPECT_THAT(tokenizer.encode("<|other|>", false), ElementsAre(first_ + 1));
  EXPECT_EQ(tokenizer.decode(Ids{first_, first_ + 1}), "<|other|>");
  // A token of the vocabulary becomes an added one, found wherever it is written.
  const std::string known(test::tiny().token_bytes(300));
  add(300, known, false);
  EXPECT_THAT(load().encode(known + known), ElementsAre(300, 300));
}

// Of a folder of several models the text model's configuration may have them.
TEST_F(TokenizerFolder, EndTokensMayStandWithTheTextModel) {
  write_json(folder_ / "config.json", {{"text_config", {{"eos_token_id", {5, 7}}}}});
  EXPECT_THAT(load().ends(), ::testing::IsSupersetOf({5, 7}));
}

TEST(TokenizerFolderOfMistral, TekkenAloneIsRefusedWithAdvice) {
  const TemporaryFolder folder;
  write_json(folder / "tekken.json", Json::object());
  expect_error(ErrorKind::kUnsupported, {"tekken.json", "tokenizer.json"},
               [&] { Tokenizer::from_folder(folder / "."); });
}

TEST_F(TokenizerFolder, AddedTokensNameWhatIsWrong) {
  add(first_ + 3, "<|gap|>", true);
  expect_error(ErrorKind::kFormat, {"tokenizer_config.json", "<|gap|>", std::to_string(first_)},
               [&] { load(); });
  config_.erase("added_tokens_decoder");
  add(5, "another text", true);
  expect_error(ErrorKind::kFormat, {"another text", "for 5"}, [&] { load(); });
  config_["added_tokens_decoder"] = {{"five", {{"content", "x"}}}};
  expect_error(ErrorKind::kFormat, {"token ids as keys", "added_tokens_decoder"}, [&] { load(); });
}

TEST_F(TokenizerFolder, AddedTokensJsonCountsWhereTheConfigurationHasNone) {
  config_.erase("added_tokens_decoder");
  write_json(folder_ / "added_tokens.json", {{"<tool>", first_}, {"<call>", first_ + 1}});
  EXPECT_THAT(load().encode("<call><tool>"), ElementsAre(first_ + 1, first_));
  config_["added_tokens_decoder"] = Json::object();
  EXPECT_EQ(load().vocabulary_size(), first_);
}

TEST_F(TokenizerFolder, EndTokensAreThoseOfTheGenerationConfiguration) {
  EXPECT_THAT(load().ends(), IsEmpty());
  write_json(folder_ / "config.json", {{"eos_token_id", 7}});
  EXPECT_THAT(load().ends(), ElementsAre(7));
  write_json(folder_ / "generation_config.json", {{"eos_token_id", {9, 11}}});
  EXPECT_THAT(load().ends(), ElementsAre(9, 11));
  config_["eos_token"] = nullptr;
  EXPECT_EQ(load().eos(), 9);
  write_json(folder_ / "generation_config.json", {{"eos_token_id", "two"}});
  expect_error(ErrorKind::kFormat, {"generation_config.json", "eos_token_id"}, [&] { load(); });
}

TEST_F(TokenizerFolder, EndTokensThatThereAreNotAreRefused) {
  write_json(folder_ / "config.json", {{"eos_token_id", {first_, 7}}});
  EXPECT_THAT(load().ends(), ElementsAre(first_, 7)) << "answers end with one of them";
  write_json(folder_ / "config.json", {{"eos_token_id", {first_, first_ + 9}}});
  expect_error(ErrorKind::kFormat, {"config.json: eos_token_id", std::to_string(first_)},
               [&] { load(); });
}

TEST_F(TokenizerFolder, TokensBeyondTheEmbeddingsAreRefusedByName) {
  EXPECT_EQ(load(first_).vocabulary_size(), first_);
  expect_error(ErrorKind::kFormat,
               {std::to_string(first_ - 1), std::string(test::tiny().token_bytes(first_ - 1)),
                std::to_string(first_ - 1) + " embeddings"},
               [&] { load(first_ - 1); });
  add(first_, "<|picture|>", true);  // as Gemma 3 has one: no text becomes it
  const Tokenizer tokenizer = load(first_);
  EXPECT_EQ(tokenizer.vocabulary_size(), first_);
  for (const int32_t id : tokenizer.encode("<|picture|>", true)) EXPECT_LT(id, first_);
  add(first_, "<|picture|>", false);
  expect_error(ErrorKind::kFormat, {"<|picture|>"}, [&] { load(first_); });
}

}  // namespace
}  // namespace ilora
