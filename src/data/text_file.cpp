#include "data/text_file.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/stand_in.h"
#include "text/utf8.h"

namespace ilora {

namespace {

struct Kind {
  std::string_view begin;  // of the file
  const char *name, *hint;
};

// Files that are no text, by their first bytes.
const Kind* kind_of(std::string_view bytes) {
  static constexpr const char* kUtf16 = "Convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW.";
  static constexpr const char* kUtf32 = "Convert it: iconv -f UTF-32 -t UTF-8 FILE > NEW.";
  static constexpr const char* kUnpack = "Unpack it first.";
  static constexpr std::array kKinds = {
      Kind{std::string_view("\xff\xfe\0\0", 4), "UTF-32",
           kUtf32},  // before UTF-16, which begins it
      Kind{std::string_view("\0\0\xfe\xff", 4), "UTF-32", kUtf32},
      Kind{"\xff\xfe", "UTF-16", kUtf16},
      Kind{"\xfe\xff", "UTF-16", kUtf16},
      Kind{"\x1f\x8b", "a gzip file", "Unpack it: gunzip FILE."},
      Kind{"BZh", "a bzip2 file", kUnpack},
      Kind{"\xfd"
           "7zXZ",
           "an xz file", kUnpack},
      Kind{"\x28\xb5\x2f\xfd", "a zstd file", kUnpack},
      Kind{"PK\x03\x04", "a zip file or an Excel table", "Unpack it, or save the table as CSV."},
      Kind{"PAR1", "a Parquet file", "Write it as JSON lines or CSV with the tool that made it."},
      Kind{"ARROW1", "an Arrow file", "Write it as JSON lines or CSV with the tool that made it."},
      Kind{"SQLite format 3", "an SQLite database", "Export the table as CSV."},
  };
  const auto found =
      std::ranges::find_if(kKinds, [&](const Kind& kind) { return bytes.starts_with(kind.begin); });
  return found == kKinds.end() ? nullptr : &*found;
}

}  // namespace

std::string read_utf8(const std::filesystem::path& path) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  std::string text = read_file(path);
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  refuse_stand_in(text, "data", "rows", path.string());
  if (const Kind* kind = kind_of(text)) {
    throw Error(ErrorKind::kData,
                fmt::format("[data] expected a text, got {} ({})", kind->name, path.string()),
                kind->hint);
  }
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
