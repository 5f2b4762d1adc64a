#include "text/pieces.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "text/normalizer.h"

namespace ilora {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// For every cut of every piece into two pieces a merge, whose rank is the place of the piece's
// score among all.
void merge_by_score(const std::vector<Piece>& pieces, TokenizerSpec& spec) {
  std::unordered_set<std::string_view> known;
  std::vector<size_t> order;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].type != PieceType::kNormal) continue;
    known.insert(pieces[i].text);
    order.push_back(i);
  }
  std::ranges::stable_sort(order,
                           [&](size_t a, size_t b) { return pieces[a].score > pieces[b].score; });
  int32_t rank = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    const Piece& piece = pieces[order[k]];
    if (k > 0 && piece.score != pieces[order[k - 1]].score) ++rank;
    const std::string_view text = piece.text;
    for (size_t cut = 1; cut < text.size(); ++cut) {
      const std::string_view left = text.substr(0, cut), right = text.substr(cut);
      if (!known.contains(left) || !known.contains(right)) continue;
      spec.merges.push_back({std::string(left), std::string(right), rank});
    }
  }
}

}  // namespace

std::string bytes_of_piece(std::string_view written) {
  if (written.size() == 6 && written.starts_with("<0x") && written.back() == '>') {
    const int high = hex_digit(written[3]), low = hex_digit(written[4]);
    if (high >= 0 && low >= 0) return {static_cast<char>(high * 16 + low)};
  }
  return replace_all(written, kPieceSpace, " ");
}

std::string piece_of_byte(unsigned char byte) {
  return fmt::format("<0x{:02X}>", byte);
}

TokenizerSpec spec_of_pieces(const std::vector<Piece>& pieces, const std::string& where,
                             bool puts_space) {
  TokenizerSpec spec;
  spec.where = where;
  spec.alphabet = Alphabet::kPieces;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const auto& [text, score, type] = pieces[i];
    spec.tokens.push_back(text);
    spec.in_model.push_back(type == PieceType::kNormal || type == PieceType::kByte ? 1 : 0);
    const bool special = type == PieceType::kControl || type == PieceType::kUnknown;
    if (text.empty() || !(special || type == PieceType::kUserDefined)) continue;
    AddedToken& token = spec.added.emplace_back();
    token.id = static_cast<int32_t>(i);
    token.text = text;
    token.special = special;
  }
  merge_by_score(pieces, spec);
  const std::string space(kPieceSpace);
  if (puts_space) spec.normalizers.push_back({NormalizerStep::Kind::kPrepend, {}, space, {}});
  spec.normalizers.push_back({NormalizerStep::Kind::kReplace, {}, " ", space});
  spec.strips_space = puts_space;
  return spec;
}

}  // namespace ilora
