// A file descriptor that closes itself, and what fails on one as an Error.
//
// Used by file.cpp, new_file.cpp and process.cpp.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace ilora {

// Owns a descriptor; closes it unless it was taken (fd = -1).
struct Descriptor {
  int fd = -1;
  explicit Descriptor(int opened) : fd(opened) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

// open(2), again where a signal cut it off.
int open_again(const char* path, int flags, unsigned mode = 0);

// Throws Error(kFile): "cannot VERB PATH", the system's words for `code` (errno), and what to do.
[[noreturn]] void fail_on_file(const std::string& verb, const std::filesystem::path& path,
                               int code);

// All of `content`; `path` names the file in errors, as below.
void write_all(int fd, std::string_view content, const std::filesystem::path& path);
// To the disk, where that can be said of what `fd` is.
void sync_descriptor(int fd, const std::filesystem::path& path);

}  // namespace ilora
