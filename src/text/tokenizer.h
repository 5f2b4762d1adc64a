// BPE tokenizers (Sennrich et al. 2016), as Hugging Face's `tokenizers` defines them: of bytes
// (Radford et al. 2019: GPT-2, Llama 3, SmolLM2) and of characters with bytes as fallback (Kudo and
// Richardson 2018: Llama 2, Mistral). The latter put a space before a text, which decode() takes
// away again.
//
// Where a byte-level vocabulary has no token for some byte (SmolLM2 has none for six control
// characters and for bytes that no assigned character uses), that byte is dropped by encode(), as
// there; every other text comes back from decode().
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
struct TokenizerSpec;

class Tokenizer {
 public:
  // From the metadata of a GGUF file (tokenizer.ggml.*), or from a folder that holds tokenizer.json
  // or tokenizer.model and, where present, tokenizer_config.json (special tokens, chat template).
  // Errors name the file and the key.
  // `embeddings`: of the model that reads the tokens. Special tokens beyond them (Gemma 3 has one
  // for pictures) are left out: no text becomes one. Any other is Error(kFormat) naming it.
  static constexpr int64_t kAny = int64_t{1} << 31;
  static Tokenizer from_gguf(const GgufFile& file, int64_t embeddings = kAny);
  static Tokenizer from_folder(const std::filesystem::path& folder, int64_t embeddings = kAny);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Token ids of a text, without BOS or EOS. Special tokens written in the text are recognised when
  // `parse_special` is set; otherwise they are ordinary text. Added tokens that are not special are
  // always recognised. Invalid UTF-8 is replaced by U+FFFD, exactly as Python's
  // bytes.decode(errors="replace") does (text/utf8.h). May be called from many threads at once.
  std::vector<int32_t> encode(std::string_view text, bool parse_special = false) const;
  // The text of the ids: their bytes, in which invalid UTF-8, an unfinished character at the end
  // too, is replaced by U+FFFD as above. Throws Error(kData) for an id outside the vocabulary.
  std::string decode(std::span<const int32_t> ids, bool skip_special = true) const;
  // The raw bytes of one token (may be a part of a UTF-8 character). Special tokens give their
  // text. Throws Error(kData) for an id outside the vocabulary, as is_special does.
  std::string_view token_bytes(int32_t id) const;
  bool is_special(int32_t id) const;
  bool strips_space() const;  // whether decode() takes the space that a text begins with

  int32_t vocabulary_size() const;
  // Tokens from this id on are padding: no text has them, and none is to be generated.
  int32_t used_size() const;
  int32_t bos() const;                       // -1 where there is none
  int32_t eos() const;                       // -1 where there is none
  const std::vector<int32_t>& ends() const;  // what else ends an answer, as its files list it
  bool adds_bos() const;                     // whether the file asks for BOS before a text
  const std::string& chat_template() const;  // Jinja source as stored, possibly empty
  const std::string& source() const;         // the file it was read from, for messages
  // The id of a token written exactly so in the file (special tokens as text; in others a space is
  // U+0120, or U+2581 in Llama 2's kind), -1 where there is none.
  int32_t find(std::string_view token) const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  static Tokenizer from_spec(TokenizerSpec spec, int64_t embeddings);
  std::unique_ptr<Impl> impl_;
};

// Decodes a growing sequence: push() returns the text that became certain, holding back the bytes
// of an unfinished UTF-8 character; finish() returns what is left (as U+FFFD where it is
// incomplete) and starts anew. All that is returned, joined, equals Tokenizer::decode of all ids.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true)
      : tokenizer_(tokenizer), skip_special_(skip_special) {}
  std::string push(int32_t id);
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  bool at_start_ = true;
  std::string pending_;
};

}  // namespace ilora
