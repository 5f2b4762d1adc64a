// Byte-level BPE tokenizers (Sennrich et al. 2016; Radford et al. 2019), as Hugging Face's `tokenizers` defines them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ilora {

class GgufFile;

class Tokenizer {
 public:
  // From the metadata of a GGUF file (tokenizer.ggml.*), or from a folder that holds tokenizer.json and, where
  // present, tokenizer_config.json (special tokens, chat template). Errors name the file and the key.
  static Tokenizer from_gguf(const GgufFile& file);
  static Tokenizer from_folder(const std::filesystem::path& folder);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Token ids of a text, without BOS or EOS. Added and special tokens written in the text are recognised when
  // `parse_special` is set; otherwise they are ordinary text. Invalid UTF-8 is replaced by U+FFFD.
  std::vector<int32_t> encode(std::string_view text, bool parse_special = false) const;
  // The bytes of the ids; an incomplete UTF-8 character at the end is dropped, invalid bytes become U+FFFD.
  std::string decode(std::span<const int32_t> ids, bool skip_special = true) const;
  // The raw bytes of one token (may be a part of a UTF-8 character). Special tokens give their text.
  std::string_view token_bytes(int32_t id) const;
  bool is_special(int32_t id) const;

  int32_t vocabulary_size() const;
  int32_t bos() const;          // -1 where there is none
  int32_t eos() const;          // -1 where there is none
  bool adds_bos() const;        // whether the file asks for BOS before a text
  const std::string& chat_template() const;  // Jinja source as stored, possibly empty
  // The id of a token written exactly so, -1 where there is none.
  int32_t find(std::string_view token) const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Decodes a growing sequence: push() returns the text that became certain, holding back the bytes of an unfinished
// UTF-8 character; finish() returns what is left (as U+FFFD where it is incomplete).
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::string push(int32_t id);
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  std::string pending_;
};

}  // namespace ilora
