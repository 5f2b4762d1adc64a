// Reads a tokenizer from the metadata of a GGUF file (docs/gguf.md of the ggml project, section
// "Tokenizer").
#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/listed.h"
#include "formats/gguf.h"
#include "text/pieces.h"

namespace ilora {
namespace {

using Steps = std::vector<PreTokenizerStep>;

Steps words_of_gpt2() {
  return {gpt2_words_step()};
}
Steps digits_and_words_of_gpt2() {
  return {digits_step(true), gpt2_words_step()};
}
Steps words_of_llama3() {
  return {llama3_words_step()};
}
Steps words_of_qwen2() {
  return {qwen2_words_step()};
}
Steps words_of_gpt4o() {
  return {gpt4o_words_step()};
}
Steps words_of_tekken() {
  return {tekken_words_step()};
}
Steps words_of_qwen35() {
  return {qwen35_words_step()};
}
Steps words_of_seed() {
  return {seed_words_step()};
}

// What the name of a pre-tokenizer stands for; byte-level BPE files have it in place of a
// description. Names and rules: those of llama.cpp, and the tokenizer.json of the
// models that it names them after.
struct NamedPreTokenizer {
  std::string_view name;
  Steps (*steps)();
  bool nfc = false;          // the text is brought into that form first
  bool whole_words = false;  // a word that is a token is not merged from its bytes
  bool adds_bos = false;     // where the file does not say
};
constexpr NamedPreTokenizer kPreTokenizers[] = {
    {"gpt-2", words_of_gpt2},
    {"gpt2", words_of_gpt2},
    {"mpt", words_of_gpt2},
    {"olmo", words_of_gpt2},
    {"phi-2", words_of_gpt2},
    {"exaone4", words_of_gpt2},
    {"jais", words_of_gpt2},
    {"trillion", words_of_gpt2},
    {"granite-docling", words_of_gpt2},
    {"smollm", digits_and_words_of_gpt2},
    {"starcoder", digits_and_words_of_gpt2},
    {"refact", digits_and_words_of_gpt2},
    {"command-r", digits_and_words_of_gpt2},
    {"codeshell", digits_and_words_of_gpt2},
    {"exaone", digits_and_words_of_gpt2},
    {"minerva-7b", digits_and_words_of_gpt2},
    {.name = "llama-bpe", .steps = words_of_llama3, .whole_words = true, .adds_bos = true},
    {.name = "llama3", .steps = words_of_llama3, .whole_words = true, .adds_bos = true},
    {.name = "llama-v3", .steps = words_of_llama3, .whole_words = true, .adds_bos = true},
    {.name = "falcon3", .steps = words_of_llama3, .whole_words = true, .adds_bos = true},
    {.name = "pixtral", .steps = words_of_llama3, .whole_words = true, .adds_bos = true},
    {.name = "falcon-h1", .steps = words_of_llama3, .whole_words = true, .adds_bos = true},
    {.name = "midm-2.0", .steps = words_of_llama3, .whole_words = true, .adds_bos = true},
    {.name = "lfm2", .steps = words_of_llama3, .whole_words = true, .adds_bos = true},
    {"dbrx", words_of_llama3},
    {"smaug-bpe", words_of_llama3},
    {.name = "qwen2", .steps = words_of_qwen2, .nfc = true},
    {.name = "deepseek-r1-qwen", .steps = words_of_qwen2, .nfc = true},
    {"stablelm2", words_of_qwen2},
    {.name = "kormo", .steps = words_of_qwen2, .nfc = true},
    {.name = "qwen35", .steps = words_of_qwen35, .nfc = true},
    {"seed-coder", words_of_seed},
    {"glm4", words_of_llama3},
    {"chatglm-bpe", words_of_llama3},
    {.name = "tekken", .steps = words_of_tekken, .whole_words = true, .adds_bos = true},
    {"gpt-4o", words_of_gpt4o},
    {"llama4", words_of_gpt4o},
    {"minimax-m2", words_of_gpt4o},
};

void read_pre_tokenizer(const GgufFile& gguf, TokenizerSpec& spec) {
  std::string name = gguf.text("tokenizer.ggml.pre", "default");
  // Files from before this key existed, or with "default", may be of any model: of GPT-2's own
  // vocabulary the rule is known.
  constexpr size_t kGpt2Vocabulary = 50257;
  if (name == "default" && gguf.texts("tokenizer.ggml.tokens").size() == kGpt2Vocabulary)
    name = "gpt-2";
  const auto found =
      std::ranges::find(kPreTokenizers, std::string_view(name), &NamedPreTokenizer::name);
  if (found == std::end(kPreTokenizers)) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("[tokenizer] expected a pre-tokenizer among {}, got '{}' ({}: "
                    "tokenizer.ggml.pre)",
                    listed(kPreTokenizers, &NamedPreTokenizer::name), name, gguf.name()),
        "Use the model's Hugging Face folder, whose tokenizer.json describes the pre-tokenizer.");
  }
  if (found->nfc) spec.normalizers = {{NormalizerStep::Kind::kForm, NormalForm::kNfc, {}, {}}};
  spec.steps = found->steps();
  spec.ignore_merges = found->whole_words;
  spec.adds_bos = found->adds_bos;
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

constexpr const char* kScores = "tokenizer.ggml.scores";

template <class Value>
void require_one_each(const GgufFile& file, const char* key, const std::vector<Piece>& tokens,
                      const std::vector<Value>& values) {
  if (values.size() == tokens.size()) return;
  throw Error(ErrorKind::kFormat,
              fmt::format("[tokenizer] expected {} values, one for each token, got {} ({}: {})",
                          tokens.size(), values.size(), file.name(), key));
}

// The tokens with their types (PieceType).
std::vector<Piece> read_tokens(const GgufFile& file) {
  const auto& texts = file.texts("tokenizer.ggml.tokens");
  if (texts.empty()) {
    throw Error(
        ErrorKind::kFormat,
        fmt::format("[tokenizer] expected a vocabulary, got no tokens ({}: tokenizer.ggml.tokens)",
                    file.name()));
  }
  constexpr const char* kTypes = "tokenizer.ggml.token_type";
  std::vector<Piece> tokens(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) tokens[i].text = texts[i];
  if (file.find(kTypes) == nullptr) return tokens;
  const std::vector<int64_t> types = file.integers(kTypes);
  require_one_each(file, kTypes, tokens, types);
  for (size_t i = 0; i < types.size(); ++i) tokens[i].type = static_cast<PieceType>(types[i]);
  return tokens;
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
    spec.merges.push_back({std::string(merges[rank].substr(0, space)),
                           std::string(merges[rank].substr(space + 1)),
                           static_cast<int32_t>(rank)});
  }
}

// GPT-2's kind: BPE of bytes, with merges.
TokenizerSpec byte_level_spec(const GgufFile& file) {
  TokenizerSpec spec;
  spec.where = file.name();
  read_pre_tokenizer(file, spec);
  if (file.boolean("tokenizer.ggml.add_space_prefix", false)) {
    spec.steps.insert(spec.steps.end() - 1,
                      prefix_step(" "));  // as ByteLevel: before the words are cut
  }
  const std::vector<Piece> tokens = read_tokens(file);
  // Converters mix added tokens into the one list; merges never lead to them, so all may count as
  // the model's.
  spec.in_model.assign(tokens.size(), 1);
  for (size_t i = 0; i < tokens.size(); ++i) {
    spec.tokens.push_back(tokens[i].text);
    const PieceType type = tokens[i].type;
    spec.padding = type == PieceType::kUnused ? spec.padding + 1 : 0;
    if (type != PieceType::kControl && type != PieceType::kUserDefined) continue;
    AddedToken& token = spec.added.emplace_back();
    token.id = static_cast<int32_t>(i);
    token.text = tokens[i].text;
    token.special = type == PieceType::kControl;
  }
  read_merges(file, spec);
  return spec;
}

// Llama 2's kind: BPE of characters, with scores in place of merges.
TokenizerSpec piece_spec(const GgufFile& file) {
  std::vector<Piece> pieces = read_tokens(file);
  const std::vector<double> scores = file.numbers(kScores);
  require_one_each(file, kScores, pieces, scores);
  for (size_t i = 0; i < scores.size(); ++i) pieces[i].score = scores[i];
  TokenizerSpec spec =
      spec_of_pieces(pieces, file.name(), file.boolean("tokenizer.ggml.add_space_prefix", true));
  while (static_cast<size_t>(spec.padding) < pieces.size() &&
         pieces[pieces.size() - 1 - static_cast<size_t>(spec.padding)].type == PieceType::kUnused)
    ++spec.padding;
  spec.adds_bos = true;
  return spec;
}

}  // namespace

TokenizerSpec tokenizer_spec_of_gguf(const GgufFile& file) {
  const std::string model = file.text("tokenizer.ggml.model");
  if (model != "gpt2" && model != "llama") {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("[tokenizer] expected gpt2 (BPE of bytes) or llama (BPE of characters, "
                            "with scores), got '{}' ({}: tokenizer.ggml.model)",
                            model, file.name()));
  }
  TokenizerSpec spec = model == "gpt2" ? byte_level_spec(file) : piece_spec(file);
  spec.bos = id_of(file, "tokenizer.ggml.bos_token_id", spec.tokens.size());
  spec.eos = id_of(file, "tokenizer.ggml.eos_token_id", spec.tokens.size());
  // The ends of a turn and of a message, where they are not the text's.
  for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    if (const int32_t id = id_of(file, key, spec.tokens.size()); id >= 0) spec.ends.push_back(id);
  }
  spec.adds_bos = file.boolean("tokenizer.ggml.add_bos_token", spec.adds_bos);
  spec.chat_template = file.text("tokenizer.chat_template", "");
  return spec;
}

}  // namespace ilora
