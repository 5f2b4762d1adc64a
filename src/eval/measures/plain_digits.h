// Numbers as people type them, in the characters that extract.h reads. Called by it.
#pragma once

#include <string>
#include <string_view>

namespace ilora {

// The text with digits of any script as ASCII ("１２", "٣"), fractions of one character as a quotient ("½" is "1/2", and
// "3½" is "3 1/2"), and full-width signs and slashes as plain ones. The rest, invalid bytes too, is as it was.
std::string plain_digits(std::string_view text);

}  // namespace ilora
