// A tokenizer as its file describes it, before it is built: what the readers of GGUF metadata and
// of tokenizer.json produce and what the Tokenizer is made from. Internal to src/text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "text/added_tokens.h"
#include "text/pre_tokenizer.h"
#include "text/utf8.h"

namespace ilora {

class GgufFile;

struct TokenizerSpec {
  std::string where;                // names the file in errors
  std::vector<std::string> tokens;  // by id, written in the byte-level alphabet; no gaps
  std::vector<char> in_model;       // by id: a token of the BPE vocabulary (not only added)
  std::vector<std::pair<std::string, std::string>> merges;  // by rank
  std::vector<AddedToken> added;
  std::vector<NormalForm> normalizers;
  std::vector<PreTokenizerStep> steps;
  int32_t unknown = -1;  // stands for bytes without a token; -1: they are dropped
  bool fuse_unknown = false;
  bool ignore_merges = false;  // a word that is a token is that token, whatever the merges say
  int32_t bos = -1, eos = -1;
  bool adds_bos = false;
  std::string chat_template;
};

TokenizerSpec tokenizer_spec_of_gguf(const GgufFile& file);
TokenizerSpec tokenizer_spec_of_folder(const std::filesystem::path& folder);

}  // namespace ilora
