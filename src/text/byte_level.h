// GPT-2's alphabet for bytes: each byte is written as one printable character, so that a vocabulary
// of byte sequences can live in a text file (a space is written U+0120, a newline U+010A; Radford
// et al. 2019).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ilora {

// The bytes that a token written in this alphabet stands for; none where it holds another
// character.
std::optional<std::string> bytes_of_token(std::string_view written);
// The character that stands for a byte, as UTF-8.
std::string token_of_byte(unsigned char byte);

}  // namespace ilora
