// Added tokens: texts that are one token wherever they are written, found before anything else cuts
// the text. The flags and their order of effect are those of Hugging Face's AddedVocabulary.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ilora {

struct AddedToken {
  int32_t id = -1;
  std::string text;
  bool special = false;      // skipped by decode, recognised only where special tokens are parsed
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool single_word = false;  // only where no word character touches it
  bool normalized = false;   // looked for in the normalized text, not in the text as it is
};

class AddedTokenSplitter {
 public:
  // Finds these tokens (all of them with non-empty text); of several that begin at one place the
  // longest.
  explicit AddedTokenSplitter(std::vector<AddedToken> tokens);

  struct Part {
    std::string_view text;
    int32_t id;  // -1: ordinary text, never empty
  };
  // The parts of well-formed UTF-8, in order, appended to `parts`. Special tokens stay text without
  // `parse_special`.
  void split(std::string_view text, bool parse_special, std::vector<Part>& parts) const;
  bool empty() const { return tokens_.empty(); }

 private:
  struct Node {
    std::vector<std::pair<unsigned char, int32_t>> children;  // by byte
    int32_t token = -1;                                       // index into tokens_
  };
  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  std::array<bool, 256> begins_{};  // whether some token begins with this byte

  int32_t child(int32_t node, unsigned char byte) const;
  int32_t longest_at(std::string_view text, size_t position) const;  // index into tokens_, -1: none
};

}  // namespace ilora
