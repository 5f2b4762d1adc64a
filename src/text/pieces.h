// Vocabularies of SentencePiece's BPE (Kudo and Richardson 2018), as Llama 2 and Mistral have them:
// tokens are pieces of characters, in which U+2581 stands for a space, and "<0x0A>" is the piece of
// a byte, for characters without a piece of their own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer_spec.h"

namespace ilora {

inline constexpr std::string_view kPieceSpace = "\xE2\x96\x81";

// The bytes that a piece stands for.
std::string bytes_of_piece(std::string_view written);
// "<0x0A>" for 10.
std::string piece_of_byte(unsigned char byte);

// Numbered as in SentencePiece's own files and in GGUF's tokenizer.ggml.token_type.
enum class PieceType : int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};
struct Piece {
  std::string text;
  double score = 0;
  PieceType type = PieceType::kNormal;
};

// Vocabulary, merges and normalizer of a model that has scores in place of merges: any two pieces
// that make a piece are joined, the highest score first and of equal scores the leftmost.
// `puts_space`: a space goes before every text (and is taken from what is decoded).
TokenizerSpec spec_of_pieces(const std::vector<Piece>& pieces, const std::string& where,
                             bool puts_space);

}  // namespace ilora
