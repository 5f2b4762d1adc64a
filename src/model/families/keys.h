// The keys of a model's configuration, as a family reads them: config.json of a Hugging Face
// folder, or the metadata of a GGUF file. Values are typed, and an error names file and key.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "formats/gguf.h"

namespace ilora {

// An object of config.json. A key that is null counts as absent, as transformers writes None.
class FolderKeys {
 public:
  // `json` outlives it; `where` is the file, for messages.
  FolderKeys(const Json& json, std::string where, std::string prefix = {});

  const std::string& where() const { return where_; }
  bool has(const char* key) const;
  bool is_null(const char* key) const;  // there, and null
  // Without a fallback an absent key is Error(kFormat); a value of another type always is.
  int64_t integer(const char* key) const;
  int64_t integer(const char* key, int64_t fallback) const;
  double number(const char* key) const;
  double number(const char* key, double fallback) const;
  bool boolean(const char* key, bool fallback) const;
  std::string text(const char* key) const;
  std::string text(const char* key, const std::string& fallback) const;
  std::vector<std::string> texts(const char* key) const;  // lists
  std::vector<double> numbers(const char* key) const;
  // The object under a key; empty where absent.
  FolderKeys object(const char* key) const;
  bool empty() const;
  bool has_objects() const;                // whether some value is itself an object
  std::vector<std::string> names() const;  // of the keys
  bool is_text(const char* key) const;

 private:
  const Json& value(const char* key, const char* expected) const;
  [[noreturn]] void wrong(const char* key, const char* expected) const;

  const Json* json_;
  std::string where_, prefix_;
};

// A GGUF's metadata under its architecture: "block_count" is the file's "llama.block_count".
class GgufKeys {
 public:
  GgufKeys(const GgufFile& file, std::string architecture)
      : file_(file), prefix_(std::move(architecture) + ".") {}

  const GgufFile& file() const { return file_; }
  const std::string& where() const { return file_.name(); }
  bool has(const char* key) const { return file_.find(prefix_ + key) != nullptr; }
  int64_t integer(const char* key) const { return file_.integer(prefix_ + key); }
  int64_t integer(const char* key, int64_t fallback) const {
    return file_.integer(prefix_ + key, fallback);
  }
  // An array of `count` of them, or one that holds for all.
  std::vector<int64_t> integers(const char* key, int64_t count) const;
  double number(const char* key) const { return file_.number(prefix_ + key); }
  double number(const char* key, double fallback) const {
    return file_.number(prefix_ + key, fallback);
  }
  bool boolean(const char* key, bool fallback) const {
    return file_.boolean(prefix_ + key, fallback);
  }
  std::string text(const char* key, const std::string& fallback) const {
    return file_.text(prefix_ + key, fallback);
  }
  bool is_array(const char* key) const;
  std::vector<bool> booleans(const char* key) const;  // an array of them

 private:
  const GgufFile& file_;
  std::string prefix_;
};

}  // namespace ilora
