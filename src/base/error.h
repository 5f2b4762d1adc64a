// The one exception type of the library, and the check for programmer errors.
//
// A message reads `[thing] expected X, got Y (where)`; the hint says what to do next. Nothing below
// main() exits.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace ilora {

enum class ErrorKind {
  kUsage,        // the command line or a configuration is wrong
  kFile,         // a file or folder is missing, unreadable or cannot be written
  kFormat,       // a file's content is not what its format demands
  kData,         // rows or tasks that cannot be used
  kUnsupported,  // valid, but not built or not possible on this machine
  kNumeric,      // a loss or gradient is not finite
  kInUse,        // another process works in that folder
  kInterrupted,  // the user asked to stop
  kInternal,     // a bug of ours
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message, std::string hint = {})
      : std::runtime_error(message), kind_(kind), hint_(std::move(hint)) {}
  ErrorKind kind() const { return kind_; }
  const std::string& hint() const { return hint_; }

 private:
  ErrorKind kind_;
  std::string hint_;
};

[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               const std::string& message);

}  // namespace ilora

// For programmer errors only: never reachable from user input.
#define ILORA_CHECK(condition, ...)                                                         \
  do {                                                                                      \
    if (!(condition)) [[unlikely]]                                                          \
      ::ilora::check_failed(#condition, __FILE__, __LINE__, ::fmt::format("" __VA_ARGS__)); \
  } while (false)
