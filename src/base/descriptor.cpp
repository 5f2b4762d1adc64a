#include "base/descriptor.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace ilora {

void fail_on_file(const std::string& verb, const std::filesystem::path& path, int code) {
  std::string hint;
  if (code == ENOENT) hint = "Check the path: there is no such file.";
  if (code == ENOSPC || code == EFBIG || code == EDQUOT)
    hint = "Free some space on that disk and go on.";
  if (code == EACCES || code == EPERM || code == EROFS) hint = "Check the permissions.";
  throw Error(ErrorKind::kFile,
              fmt::format("[file] cannot {} {}: {}", verb, path.string(), std::strerror(code)),
              hint);
}

int open_again(const char* path, int flags, unsigned mode) {
  int fd = -1;
  do {
    fd = ::open(path, flags, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

void write_all(int fd, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_on_file("write", path, errno);
    content.remove_prefix(static_cast<size_t>(n));
  }
}

void sync_descriptor(int fd, const std::filesystem::path& path) {
  while (::fsync(fd) != 0) {
    if (errno == EINTR) continue;
    if (errno == EINVAL) return;  // nothing there can be synced
    fail_on_file("write", path, errno);
  }
}

}  // namespace ilora
