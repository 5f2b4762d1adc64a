// A tokenizer as its file describes it, before it is built: what the readers of GGUF metadata, of
// tokenizer.json and of tokenizer.model produce and what the Tokenizer is made from. Internal to
// src/text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"

namespace ilora {

class GgufFile;

// How tokens are written, and what a word is made of before any merge.
enum class Alphabet {
  kBytes,   // bytes, each written as one character (byte_level.h)
  kPieces,  // characters, and bytes for those without a token (pieces.h)
};

struct TokenizerSpec {
  struct Merge {
    std::string left, right;
    int32_t rank;  // of several that can be done the lowest goes first
  };
  std::string where;  // names the file in errors
  Alphabet alphabet = Alphabet::kBytes;
  std::vector<std::string> tokens;  // by id, written in the alphabet; no gaps
  std::vector<char> in_model;       // by id: a token of the BPE vocabulary (not only added)
  std::vector<Merge> merges;
  std::vector<AddedToken> added;
  std::vector<NormalizerStep> normalizers;
  std::vector<PreTokenizerStep> steps;
  int32_t unknown = -1;  // stands for bytes without a token; -1: they are dropped
  bool fuse_unknown = false;
  bool ignore_merges = false;  // a word that is a token is that token, whatever the merges say
  bool strips_space = false;   // decoding takes the space that a text begins with
  int32_t bos = -1, eos = -1;
  std::vector<int32_t> ends;  // further tokens that end an answer
  int32_t padding = 0;        // so many tokens at the end of the list stand for nothing
  bool adds_bos = false;
  std::string chat_template;
};

TokenizerSpec tokenizer_spec_of_gguf(const GgufFile& file);
// From tokenizer.json or, where there is none, tokenizer.model, and the configuration beside it.
TokenizerSpec tokenizer_spec_of_folder(const std::filesystem::path& folder);

// Parts of the latter. A tokenizer.json names what it puts before a text only as a text:
// `starts_with`, empty where it puts nothing.
TokenizerSpec tokenizer_spec_of_json(const std::filesystem::path& path, std::string& starts_with);
TokenizerSpec tokenizer_spec_of_sentencepiece(const std::filesystem::path& path);

// What else a folder says of added tokens: added_tokens_decoder of tokenizer_config.json, or where
// there is none added_tokens.json. Tokens that the vocabulary lacks are appended; flags are theirs.
void read_added_tokens(const std::filesystem::path& folder, TokenizerSpec& spec);
// The tokens that end an answer: eos_token_id of generation_config.json, or where there is none of
// config.json: one, or a list.
void read_end_tokens(const std::filesystem::path& folder, TokenizerSpec& spec);

}  // namespace ilora
