// tokenizer.json: what other components mean, and what is told about damaged files.
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/unit/text/tokenizer_fixture.h"

namespace ilora {
namespace {

using test::expect_error;
using test::tiny;
namespace fs = std::filesystem;

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
    Json tree = read_json(test::kTinyTokenizer / "tokenizer.json");
    change(tree);
    write_json(path_ / "tokenizer.json", tree);
    Json config = read_json(test::kTinyTokenizer / "tokenizer_config.json");
    if (change_config) change_config(config);
    write_json(path_ / "tokenizer_config.json", config);
    return Tokenizer::from_folder(path_);
  }

 private:
  static inline int counter_ = 0;
  fs::path path_;
};

// A tokenizer.json that was changed, and what the error then names.
struct Change {
  std::vector<std::string> parts;
  std::function<void(Json&)> change;
};

void expect_errors(ErrorKind kind, const std::vector<Change>& changes) {
  const Folder folder;
  for (const Change& entry : changes) {
    SCOPED_TRACE(entry.parts.back());
    expect_error(kind, entry.parts, [&] { folder.load(entry.change); });
  }
}

TEST(TokenizerJson, DamagedTokenizerJson) {
  expect_errors(
      ErrorKind::kFormat,
      {
          {{"tokenizer.json: model.vocab", "id 500", "gap"},
           [](Json& t) {
             for (auto& [text, id] : t["model"]["vocab"].items()) {
               if (id == 500) id = 5000;
             }
           }},
          {{"one token for each id", "for 7"}, [](Json& t) { t["model"]["vocab"]["doubled"] = 7; }},
          {{"a token id", "-3", "model.vocab: odd"},
           [](Json& t) { t["model"]["vocab"]["odd"] = -3; }},
          {{"merges, entry 10", "'zzzz'"},
           [](Json& t) {
             t["model"]["merges"][10] = {"zzzz", "a"};
           }},
          {{"model.merges[3]", "two symbols"}, [](Json& t) { t["model"]["merges"][3] = "ab"; }},
          {{"model.merges[3]", "two symbols"}, [](Json& t) { t["model"]["merges"][3] = 5; }},
          {{"tokenizer.json: model", "key merges"}, [](Json& t) { t["model"].erase("merges"); }},
          {{"tokenizer.json", "key model"}, [](Json& t) { t.erase("model"); }},
          {{"added_tokens[0]", "key content"},
           [](Json& t) { t["added_tokens"][0].erase("content"); }},
          {{"pre_tokenizer.pretokenizers[0].prepend_scheme", "first, always or never", "often"},
           [](Json& t) {
             t["pre_tokenizer"]["pretokenizers"][0] = {
                 {"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "often"}};
           }},
          {{"regular expression", "offset"},
           [](Json& t) {
             t["pre_tokenizer"]["pretokenizers"][0] = {
                 {"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}};
           }},
      });
}

TEST(TokenizerJson, PartsThatAreNotRead) {
  expect_errors(
      ErrorKind::kUnsupported,
      {
          {{"Unigram", "model"}, [](Json& t) { t["model"]["type"] = "Unigram"; }},
          {{"byte_fallback"}, [](Json& t) { t["model"]["byte_fallback"] = true; }},
          {{"end_of_word_suffix"}, [](Json& t) { t["model"]["end_of_word_suffix"] = "</w>"; }},
          {{"normalizer", "Lowercase"},
           [](Json& t) {
             t["normalizer"] = {{"type", "Lowercase"}};
           }},
          {{"pre_tokenizer.pretokenizers[0]", "Whitespace"},
           [](Json& t) {
             t["pre_tokenizer"]["pretokenizers"][0] = {{"type", "Whitespace"}};
           }},
          {{"no pre-tokenizer ByteLevel"}, [](Json& t) { t["pre_tokenizer"] = nullptr; }},
          {{"decoder", "WordPiece"},
           [](Json& t) {
             t["decoder"] = {{"type", "WordPiece"}};
           }},
      });
}

TEST(TokenizerJson, DamagedFiles) {
  const Folder folder;
  const auto keep = [](Json&) {};
  expect_error(ErrorKind::kFormat, {"tokenizer_config.json: eos_token", "<none>"},
               [&] { folder.load(keep, [](Json& config) { config["eos_token"] = "<none>"; }); });
  write_file_atomic(folder.path() / "tokenizer.json", "{\"model\":");
  expect_error(ErrorKind::kFormat, {"is not valid JSON", "tokenizer.json"},
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

}  // namespace
}  // namespace ilora
