#include "text/added_tokens.h"

#include <algorithm>

#include "text/utf8.h"

namespace ilora {
namespace {

bool touches_word(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && is_word_character(utf8_at(text, utf8_previous(text, begin)))) return true;
  return end < text.size() && is_word_character(utf8_at(text, end));
}

size_t skip_spaces_back(std::string_view text, size_t position) {
  while (position > 0) {
    const size_t previous = utf8_previous(text, position);
    if (!is_white_space(utf8_at(text, previous))) break;
    position = previous;
  }
  return position;
}

size_t skip_spaces(std::string_view text, size_t position) {
  while (position < text.size() && is_white_space(utf8_at(text, position))) {
    position += utf8_unit(text, position).length;
  }
  return position;
}

}  // namespace

AddedTokenSplitter::AddedTokenSplitter(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), nodes_(1) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    int32_t node = 0;
    for (const char c : tokens_[i].text) {
      const auto byte = static_cast<unsigned char>(c);
      int32_t next = child(node, byte);
      if (next < 0) {
        next = static_cast<int32_t>(nodes_.size());
        nodes_[static_cast<size_t>(node)].children.emplace_back(byte, next);
        nodes_.emplace_back();
      }
      node = next;
    }
    nodes_[static_cast<size_t>(node)].token = static_cast<int32_t>(i);
    if (!tokens_[i].text.empty()) begins_[static_cast<unsigned char>(tokens_[i].text[0])] = true;
  }
}

int32_t AddedTokenSplitter::child(int32_t node, unsigned char byte) const {
  for (const auto& [key, next] : nodes_[static_cast<size_t>(node)].children) {
    if (key == byte) return next;
  }
  return -1;
}

int32_t AddedTokenSplitter::longest_at(std::string_view text, size_t position) const {
  int32_t found = -1;
  int32_t node = 0;
  for (; position < text.size(); ++position) {
    node = child(node, static_cast<unsigned char>(text[position]));
    if (node < 0) break;
    if (nodes_[static_cast<size_t>(node)].token >= 0)
      found = nodes_[static_cast<size_t>(node)].token;
  }
  return found;
}

void AddedTokenSplitter::split(std::string_view text, bool parse_special,
                               std::vector<Part>& parts) const {
  size_t done = 0;  // text before this is in `parts`
  for (size_t position = 0; position < text.size();) {
    const int32_t found =
        begins_[static_cast<unsigned char>(text[position])] ? longest_at(text, position) : -1;
    if (found < 0) {
      ++position;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(found)];
    size_t begin = position;
    size_t end = position + token.text.size();
    position = end;  // a match that is turned down is not searched again for shorter tokens
    if (token.special && !parse_special) continue;
    if (token.single_word && touches_word(text, begin, end)) continue;
    if (token.lstrip) begin = skip_spaces_back(text, begin);
    if (token.rstrip) end = skip_spaces(text, end);
    begin = std::max(begin, done);  // spaces that the token before has taken stay with it
    if (end <= done) continue;
    if (begin > done) parts.push_back({text.substr(done, begin - done), -1});
    parts.push_back({text.substr(begin, end - begin), token.id});
    done = end;
    position = std::max(position, done);
  }
  if (done < text.size()) parts.push_back({text.substr(done), -1});
}

}  // namespace ilora
