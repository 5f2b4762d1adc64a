// Reads a tokenizer from the metadata of a GGUF file (docs/gguf.md of the ggml project, section
// "Tokenizer").
#include "base/error.h"
#include "formats/gguf.h"
#include "text/tokenizer_spec.h"

namespace ilora {
namespace {

// Values of tokenizer.ggml.token_type.
enum TokenType : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5 };

std::vector<PreTokenizerStep> steps_of(const GgufFile& gguf) {
  const std::string name = gguf.text("tokenizer.ggml.pre", "default"), file = gguf.name();
  if (name == "smollm") return {digits_step(true), gpt2_words_step()};
  // Files from before this key existed, or with "default", may be of any model: of GPT-2's own
  // vocabulary the rule is known.
  constexpr size_t kGpt2Vocabulary = 50257;
  const bool gpt2 =
      name == "default" && gguf.texts("tokenizer.ggml.tokens").size() == kGpt2Vocabulary;
  if (name == "gpt-2" || name == "gpt2" || gpt2) return {gpt2_words_step()};
  throw Error(
      ErrorKind::kUnsupported,
      fmt::format("[tokenizer] expected a pre-tokenizer among smollm, gpt-2 and gpt2, got '{}' "
                  "({}: tokenizer.ggml.pre)",
                  name, file),
      "Use the model's Hugging Face folder, whose tokenizer.json describes the pre-tokenizer.");
}

int32_t id_of(const GgufFile& file, const char* key, size_t vocabulary) {
  if (file.find(key) == nullptr) return -1;
  const int64_t id = file.integer(key);
  if (id < 0 || id >= static_cast<int64_t>(vocabulary)) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[tokenizer] expected a token id below {}, got {} ({}: {})", vocabulary,
                            id, file.name(), key));
  }
  return static_cast<int32_t>(id);
}

void read_tokens(const GgufFile& file, TokenizerSpec& spec) {
  const auto& tokens = file.texts("tokenizer.ggml.tokens");
  if (tokens.empty()) {
    throw Error(
        ErrorKind::kFormat,
        fmt::format("[tokenizer] expected a vocabulary, got no tokens ({}: tokenizer.ggml.tokens)",
                    file.name()));
  }
  const std::vector<int64_t> types = file.find("tokenizer.ggml.token_type") != nullptr
                                         ? file.integers("tokenizer.ggml.token_type")
                                         : std::vector<int64_t>(tokens.size(), kNormal);
  if (types.size() != tokens.size()) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[tokenizer] expected {} token types, one for each token, got {} ({}: "
                            "tokenizer.ggml.token_type)",
                            tokens.size(), types.size(), file.name()));
  }
  spec.tokens.assign(tokens.begin(), tokens.end());
  // Converters mix added tokens into the one list; merges never lead to them, so all may count as
  // the model's.
  spec.in_model.assign(tokens.size(), 1);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (types[i] != kControl && types[i] != kUserDefined) continue;
    AddedToken token;
    token.id = static_cast<int32_t>(i);
    token.text = spec.tokens[i];
    token.special = types[i] == kControl;
    spec.added.push_back(std::move(token));
  }
}

void read_merges(const GgufFile& file, TokenizerSpec& spec) {
  const auto& merges = file.texts("tokenizer.ggml.merges");
  spec.merges.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const size_t space = merges[rank].find(' ', 1);  // a symbol has at least one character
    if (space == std::string_view::npos || space + 1 == merges[rank].size()) {
      throw Error(
          ErrorKind::kFormat,
          fmt::format("[tokenizer] expected two symbols with a space between, got '{}' ({}: "
                      "tokenizer.ggml.merges, entry {})",
                      merges[rank], file.name(), rank));
    }
    spec.merges.emplace_back(merges[rank].substr(0, space), merges[rank].substr(space + 1));
  }
}

}  // namespace

TokenizerSpec tokenizer_spec_of_gguf(const GgufFile& file) {
  const std::string model = file.text("tokenizer.ggml.model");
  if (model != "gpt2") {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format(
            "[tokenizer] expected gpt2 (byte-level BPE), got '{}' ({}: tokenizer.ggml.model)",
            model, file.name()));
  }
  TokenizerSpec spec;
  spec.where = file.name();
  spec.steps = steps_of(file);
  if (file.boolean("tokenizer.ggml.add_space_prefix", false)) {
    spec.steps.insert(spec.steps.end() - 1,
                      prefix_space_step());  // as ByteLevel: before the words are cut
  }
  read_tokens(file, spec);
  read_merges(file, spec);
  spec.bos = id_of(file, "tokenizer.ggml.bos_token_id", spec.tokens.size());
  spec.eos = id_of(file, "tokenizer.ggml.eos_token_id", spec.tokens.size());
  spec.adds_bos = file.boolean("tokenizer.ggml.add_bos_token", false);
  spec.chat_template = file.text("tokenizer.chat_template", "");
  return spec;
}

}  // namespace ilora
