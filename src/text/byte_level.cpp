#include "text/byte_level.h"

#include <array>

#include "text/utf8.h"

namespace ilora {
namespace {

constexpr bool stands_for_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// Bytes that do not stand for themselves are written U+0100, U+0101, ...
constexpr int kOthers = 68;

constexpr std::array<char32_t, 256> make_characters() {
  std::array<char32_t, 256> characters{};
  char32_t next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    characters[byte] = stands_for_itself(byte) ? static_cast<char32_t>(byte) : next++;
  }
  return characters;
}

constexpr std::array<char32_t, 256> kCharacters = make_characters();

constexpr std::array<int16_t, 256 + kOthers> make_bytes() {
  std::array<int16_t, 256 + kOthers> bytes{};
  for (auto& byte : bytes) byte = -1;
  for (int byte = 0; byte < 256; ++byte) bytes[kCharacters[byte]] = static_cast<int16_t>(byte);
  return bytes;
}

constexpr std::array<int16_t, 256 + kOthers> kBytes = make_bytes();

}  // namespace

std::optional<std::string> bytes_of_token(std::string_view written) {
  std::string bytes;
  for (size_t position = 0; position < written.size();) {
    const Utf8Unit unit = utf8_unit(written, position);
    if (!unit.valid) return std::nullopt;
    const char32_t character = utf8_at(written, position);
    if (character >= kBytes.size() || kBytes[character] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kBytes[character]));
    position += unit.length;
  }
  return bytes;
}

std::string token_of_byte(unsigned char byte) {
  std::string text;
  append_utf8(text, kCharacters[byte]);
  return text;
}

}  // namespace ilora
