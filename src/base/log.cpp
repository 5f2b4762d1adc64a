#include "base/log.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

namespace ilora {
namespace {

constexpr std::string_view kClearLine = "\r\x1b[K";

void write_stderr(std::string_view bytes) {
  std::fwrite(bytes.data(), 1, bytes.size(), stderr);
  std::fflush(stderr);
}

// Control characters as \xNN: a file's name may hold some, and a terminal obeys them.
std::string printable(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool control = (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f;
    if (control) {
      shown += fmt::format("\\x{:02x}", byte);
    } else {
      shown += c;
    }
  }
  return shown;
}

// The first `columns` characters; never cuts inside a UTF-8 sequence.
std::string_view first_columns(std::string_view text, int columns) {
  size_t i = 0;
  while (i < text.size() && columns > 0) {
    ++i;
    while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xc0u) == 0x80u) ++i;
    --columns;
  }
  return text.substr(0, i);
}

}  // namespace

Log::Log() : Log(write_stderr, ::isatty(STDERR_FILENO) == 1, 0) {}

int Log::width() const {
  if (width_ > 0) return width_;
  constexpr int kUsual = 80;
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return size.ws_col;
}

void Log::line(std::string_view prefix, const std::string& text) {
  const std::lock_guard lock(mutex_);
  std::string bytes;
  if (!status_.empty()) bytes += kClearLine;
  bytes += prefix;
  bytes += printable(text);
  bytes += '\n';
  bytes += status_;
  sink_(bytes);
}

void Log::status(std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (!terminal_ || quiet_ || (text.empty() && status_.empty())) return;
  const std::string shown = printable(text);
  status_ = first_columns(shown, width() - 1);  // the last column would wrap on some terminals
  sink_(std::string(kClearLine) + status_);
}

void Log::set_quiet(bool quiet) {
  if (quiet) status({});
  quiet_ = quiet;
}

}  // namespace ilora
