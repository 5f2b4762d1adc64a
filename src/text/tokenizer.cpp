#include "text/tokenizer.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/byte_level.h"
#include "text/normalizer.h"
#include "text/pieces.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer_spec.h"
#include "text/utf8.h"

namespace ilora {
namespace {

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
template <typename Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

// The tokens of words met before. Longer words are rare; a full cache is emptied.
constexpr size_t kCachedWords = 1 << 16;
constexpr size_t kCachedLength = 64;  // bytes

class WordCache {
 public:
  // Appends the word's tokens to `ids` where it is known.
  bool get(std::string_view word, std::vector<int32_t>& ids) const {
    const auto entry = words_.find(word);
    if (entry == words_.end()) return false;
    const auto begin = ids_.begin() + entry->second.begin;
    ids.insert(ids.end(), begin, begin + entry->second.count);
    return true;
  }
  void put(std::string_view word, std::span<const int32_t> tokens) {
    if (words_.size() >= kCachedWords) {
      words_.clear();
      ids_.clear();
    }
    words_.emplace(word,
                   Range{static_cast<int64_t>(ids_.size()), static_cast<int64_t>(tokens.size())});
    ids_.insert(ids_.end(), tokens.begin(), tokens.end());
  }

 private:
  struct Range {
    int64_t begin, count;  // in ids_
  };
  TextMap<Range> words_;
  std::vector<int32_t> ids_;
};

// What one call of encode() works with.
struct EncodeScratch {
  std::vector<AddedTokenSplitter::Part> parts, inner_parts;
  PreTokenizer::Scratch words;
  BytePairEncoder::Scratch bpe;
  WordCache cache;
};

TextMap<int32_t> model_ids(const TokenizerSpec& spec) {
  TextMap<int32_t> ids;
  ids.reserve(spec.tokens.size());
  for (size_t i = 0; i < spec.tokens.size(); ++i) {
    if (!spec.in_model[i]) continue;
    const auto [entry, is_new] = ids.try_emplace(spec.tokens[i], static_cast<int32_t>(i));
    if (!is_new) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("[tokenizer] expected each token once, got '{}' for {} and {} ({})",
                              spec.tokens[i], entry->second, i, spec.where));
    }
  }
  return ids;
}

BytePairEncoder::Symbols symbols_of(const TokenizerSpec& spec, const TextMap<int32_t>& ids) {
  BytePairEncoder::Symbols symbols;
  const bool pieces = spec.alphabet == Alphabet::kPieces;
  for (int i = 0; i < 256; ++i) {
    const auto byte = static_cast<unsigned char>(i);
    const std::string written = pieces ? piece_of_byte(byte) : token_of_byte(byte);
    const auto entry = ids.find(written);
    if (pieces && entry == ids.end()) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("[tokenizer] expected a token for each byte, got none for {} ({})",
                              written, spec.where));
    }
    symbols.bytes[byte] = entry == ids.end() ? -1 : entry->second;
  }
  if (!pieces) return symbols;
  for (const auto& [token, id] : ids) {
    if (token.empty() || find_invalid_utf8(token) != token.size()) continue;
    if (utf8_unit(token, 0).length == token.size()) symbols.characters[utf8_at(token, 0)] = id;
  }
  return symbols;
}

BytePairEncoder make_encoder(const TokenizerSpec& spec, const TextMap<int32_t>& ids) {
  std::vector<BytePairEncoder::Merge> merges;
  merges.reserve(spec.merges.size());
  std::string joined;
  for (const auto& [left, right, rank] : spec.merges) {
    joined.assign(left).append(right);
    int32_t found[3];
    const std::string* names[3] = {&left, &right, &joined};
    for (int i = 0; i < 3; ++i) {
      const auto entry = ids.find(*names[i]);
      if (entry == ids.end()) {
        throw Error(
            ErrorKind::kFormat,
            fmt::format(
                "[tokenizer] expected a merge of tokens of the vocabulary, got '{} {}', where "
                "'{}' is unknown ({}: merges, entry {})",
                left, right, *names[i], spec.where, merges.size()));
      }
      found[i] = entry->second;
    }
    merges.push_back({found[0], found[1], found[2], rank});
  }
  return {symbols_of(spec, ids), merges, spec.unknown, spec.fuse_unknown};
}

// The bytes of a token of the vocabulary; none where it is not written in the alphabet.
std::optional<std::string> decoded_token(const TokenizerSpec& spec, const std::string& written) {
  if (spec.alphabet == Alphabet::kPieces) return bytes_of_piece(written);
  return bytes_of_token(written);
}

// Special tokens beyond a model's embeddings; see from_gguf.
void leave_out_beyond(int64_t embeddings, TokenizerSpec& spec) {
  const auto count = static_cast<int64_t>(spec.tokens.size());
  if (count <= embeddings) return;
  std::vector<char> special(spec.tokens.size(), 0);
  for (const AddedToken& token : spec.added)
    if (token.special) special[static_cast<size_t>(token.id)] = 1;
  for (int64_t id = embeddings; id < count - spec.padding; ++id) {
    if (special[static_cast<size_t>(id)] && id != spec.bos && id != spec.eos) continue;
    throw Error(ErrorKind::kFormat,
                fmt::format("[model] the tokenizer's token {} ('{}') is beyond the model's {} "
                            "embeddings ({})",
                            id, spec.tokens[static_cast<size_t>(id)], embeddings, spec.where),
                "Tokenizer and weights do not belong together: tokens were added without resizing "
                "the embeddings.");
  }
  std::erase_if(spec.added, [&](const AddedToken& token) { return token.id >= embeddings; });
  spec.tokens.resize(static_cast<size_t>(embeddings));
  spec.in_model.resize(static_cast<size_t>(embeddings));
  spec.padding = static_cast<int32_t>(std::max(int64_t{0}, spec.padding - (count - embeddings)));
}

// The added tokens to find in the text as it is, or those to find in the normalized text.
std::vector<AddedToken> added_tokens(const TokenizerSpec& spec, bool normalized) {
  std::vector<AddedToken> tokens;
  for (AddedToken token : spec.added) {
    if (token.normalized != normalized) continue;
    if (normalized) token.text = normalize(token.text, spec.normalizers);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

struct Tokenizer::Impl {
  std::string where;
  TextMap<int32_t> ids;  // by the token as the file writes it
  AddedTokenSplitter raw, normalized;
  std::vector<NormalizerStep> normalizers;
  PreTokenizer pre_tokenizer;
  BytePairEncoder encoder;
  TextMap<int32_t>
      whole_words;    // by bytes; filled where merges are ignored for words that are tokens
  std::string bytes;  // of all tokens
  std::vector<size_t> offsets;  // into bytes, one more than tokens
  std::vector<char> special;
  bool strips_space;
  int32_t bos, eos;
  std::vector<int32_t> ends;
  int32_t used;
  bool adds_bos;
  std::string chat_template;

  // Scratch space is lent to each call of encode(), so that threads do not meet.
  std::mutex mutex;
  std::vector<std::unique_ptr<EncodeScratch>> idle;

  Impl(const TokenizerSpec& spec, const TextMap<int32_t>& from_model)
      : where(spec.where),
        ids(from_model),
        raw(added_tokens(spec, false)),
        normalized(added_tokens(spec, true)),
        normalizers(spec.normalizers),
        pre_tokenizer(spec.steps, spec.where),
        encoder(make_encoder(spec, from_model)),
        special(spec.tokens.size(), 0),
        strips_space(spec.strips_space),
        bos(spec.bos),
        eos(spec.eos),
        ends(spec.ends),
        used(static_cast<int32_t>(spec.tokens.size()) - spec.padding),
        adds_bos(spec.adds_bos && spec.bos >= 0),
        chat_template(spec.chat_template) {
    store_bytes(spec);
  }

  void store_bytes(const TokenizerSpec& spec) {
    std::vector<char> is_text(spec.tokens.size(), 0);
    for (const AddedToken& token : spec.added) {
      const auto id = static_cast<size_t>(token.id);
      ids.try_emplace(token.text, token.id);
      is_text[id] = 1;
      if (token.special) special[id] = 1;
    }
    offsets.push_back(0);
    for (size_t i = 0; i < spec.tokens.size(); ++i) {
      const auto decoded = is_text[i] ? std::nullopt : decoded_token(spec, spec.tokens[i]);
      const std::string& own = decoded ? *decoded : spec.tokens[i];
      if (spec.ignore_merges && spec.in_model[i]) whole_words.emplace(own, static_cast<int32_t>(i));
      bytes += own;
      offsets.push_back(bytes.size());
    }
  }

  void check_id(int32_t id) const {
    if (id >= 0 && static_cast<size_t>(id) < special.size()) return;
    throw Error(ErrorKind::kData,
                fmt::format("[tokenizer] expected a token id from 0 to {}, got {} ({})",
                            special.size() - 1, id, where));
  }

  std::unique_ptr<EncodeScratch> borrow() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return std::make_unique<EncodeScratch>();
    auto scratch = std::move(idle.back());
    idle.pop_back();
    return scratch;
  }
  void give_back(std::unique_ptr<EncodeScratch> scratch) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(scratch));
  }

  void encode_word(std::string_view word, EncodeScratch& scratch, std::vector<int32_t>& out) const {
    const bool cached = word.size() <= kCachedLength;
    if (cached && scratch.cache.get(word, out)) return;
    const size_t before = out.size();
    if (const auto whole = whole_words.find(word); whole != whole_words.end()) {
      out.push_back(whole->second);
    } else {
      encoder.encode(word, scratch.bpe, out);
    }
    if (cached) scratch.cache.put(word, std::span(out).subspan(before));
  }

  void encode_text(std::string_view text, bool at_start, EncodeScratch& scratch,
                   std::vector<int32_t>& out) const {
    pre_tokenizer.split(text, at_start, scratch.words);
    for (const std::string_view word : scratch.words.words) encode_word(word, scratch, out);
  }

  // A part between the added tokens that are found in the text as it is; `at_start`: the first.
  void encode_part(std::string_view text, bool at_start, bool parse_special, EncodeScratch& scratch,
                   std::vector<int32_t>& out) const {
    std::string changed;
    if (!normalizers.empty()) {
      changed = normalize(text, normalizers);
      text = changed;
    }
    if (normalized.empty()) return encode_text(text, at_start, scratch, out);
    scratch.inner_parts.clear();
    normalized.split(text, parse_special, scratch.inner_parts);
    for (const auto& part : scratch.inner_parts) {
      if (part.id >= 0) {
        out.push_back(part.id);
      } else {
        encode_text(part.text, at_start, scratch, out);
      }
      at_start = false;
    }
  }
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::from_spec(TokenizerSpec spec, int64_t embeddings) {
  leave_out_beyond(embeddings, spec);
  if (spec.tokens.empty()) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[tokenizer] expected a vocabulary, got none ({})", spec.where));
  }
  return Tokenizer(std::make_unique<Impl>(spec, model_ids(spec)));
}

Tokenizer Tokenizer::from_gguf(const GgufFile& file, int64_t embeddings) {
  return from_spec(tokenizer_spec_of_gguf(file), embeddings);
}
Tokenizer Tokenizer::from_folder(const std::filesystem::path& folder, int64_t embeddings) {
  return from_spec(tokenizer_spec_of_folder(folder), embeddings);
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool parse_special) const {
  std::string repaired;
  if (find_invalid_utf8(text) != text.size()) {
    repaired = replace_invalid_utf8(text);
    text = repaired;
  }
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3);
  auto scratch = impl_->borrow();
  scratch->parts.clear();
  impl_->raw.split(text, parse_special, scratch->parts);
  for (const auto& part : scratch->parts) {
    if (part.id >= 0) {
      ids.push_back(part.id);
    } else {
      impl_->encode_part(part.text, &part == scratch->parts.data(), parse_special, *scratch, ids);
    }
  }
  impl_->give_back(std::move(scratch));
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (is_special(id) && skip_special) continue;
    bytes += token_bytes(id);
  }
  if (impl_->strips_space && bytes.starts_with(' ')) bytes.erase(0, 1);
  return find_invalid_utf8(bytes) == bytes.size() ? bytes : replace_invalid_utf8(bytes);
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  impl_->check_id(id);
  const size_t begin = impl_->offsets[static_cast<size_t>(id)];
  return std::string_view(impl_->bytes)
      .substr(begin, impl_->offsets[static_cast<size_t>(id) + 1] - begin);
}

bool Tokenizer::is_special(int32_t id) const {
  impl_->check_id(id);
  return impl_->special[static_cast<size_t>(id)] != 0;
}

bool Tokenizer::strips_space() const {
  return impl_->strips_space;
}

int32_t Tokenizer::vocabulary_size() const {
  return static_cast<int32_t>(impl_->special.size());
}
int32_t Tokenizer::bos() const {
  return impl_->bos;
}
int32_t Tokenizer::eos() const {
  return impl_->eos;
}
int32_t Tokenizer::used_size() const {
  return impl_->used;
}
const std::vector<int32_t>& Tokenizer::ends() const {
  return impl_->ends;
}
bool Tokenizer::adds_bos() const {
  return impl_->adds_bos;
}
const std::string& Tokenizer::chat_template() const {
  return impl_->chat_template;
}
const std::string& Tokenizer::source() const {
  return impl_->where;
}

int32_t Tokenizer::find(std::string_view token) const {
  const auto entry = impl_->ids.find(token);
  return entry == impl_->ids.end() ? -1 : entry->second;
}

std::string StreamDecoder::push(int32_t id) {
  if (tokenizer_.is_special(id) && skip_special_) return {};
  pending_ += tokenizer_.token_bytes(id);
  if (at_start_ && !pending_.empty()) {
    if (tokenizer_.strips_space() && pending_.front() == ' ') pending_.erase(0, 1);
    at_start_ = false;
  }
  const size_t certain = utf8_complete_prefix(pending_);
  std::string text = replace_invalid_utf8(std::string_view(pending_).substr(0, certain));
  pending_.erase(0, certain);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text = replace_invalid_utf8(pending_);
  pending_.clear();
  at_start_ = true;
  return text;
}

}  // namespace ilora
