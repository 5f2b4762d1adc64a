#include "data/text_file.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "text/utf8.h"

namespace ilora {

std::string read_utf8(const std::filesystem::path& path) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  std::string text = read_file(path);
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  const size_t bad = find_invalid_utf8(text);
  if (bad == text.size()) return text;
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(bad);
  const auto line = 1 + std::count(text.begin(), end, '\n');
  const size_t begin = text.rfind('\n', bad);
  const size_t column = bad - (begin == std::string::npos ? 0 : begin + 1) + 1;
  throw Error(
      ErrorKind::kData,
      fmt::format("[data] expected UTF-8, got the byte 0x{:02X} ({}:{}, byte {} of the line)",
                  static_cast<unsigned char>(text[bad]), path.string(), line, column),
      "The file, or a part of it, has another encoding. Convert it: iconv -f ENCODING -t UTF-8 "
      "FILE > NEW, where ENCODING is often WINDOWS-1252 (Western) or GB18030 (Chinese).");
}

}  // namespace ilora
