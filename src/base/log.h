// A log: plain lines on standard error or in a sink, and one status line (a progress bar) below
// them on a terminal. Control characters in them are shown as \\xNN. Whoever speaks is given one: the program has its own (cli/console.h), and so
// has each of the library's sessions. Calls from several threads do not mix within a line.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace ilora {

class Log {
 public:
  using Sink = std::function<void(std::string_view)>;  // receives bytes as they are to appear

  Log();  // standard error; a terminal if that is one
  // Where the bytes go, and whether a status line may be redrawn there.
  Log(Sink sink, bool terminal, int width = 80)
      : sink_(std::move(sink)), terminal_(terminal), width_(width) {}

  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) {
    if (!quiet_) line("", fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) {
    line("warning: ", fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) {
    line("error: ", fmt::format(format, std::forward<Args>(args)...));
  }

  // Draws, redraws or (empty) removes the line at the bottom; nothing happens off a terminal or
  // when quiet. Cut to the terminal's width.
  void status(std::string_view text);

  void set_quiet(bool quiet);  // only warnings and errors, no status line
  bool quiet() const { return quiet_; }
  bool terminal() const { return terminal_; }
  int width() const;  // columns of the terminal, now

 private:
  void line(std::string_view prefix, const std::string& text);

  std::mutex mutex_;
  Sink sink_;
  bool terminal_ = false;
  bool quiet_ = false;
  int width_ = 0;  // 0: ask the terminal
  std::string status_;
};

}  // namespace ilora
