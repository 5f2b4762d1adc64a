#include "base/new_file.h"

#include <fcntl.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace ilora {

namespace fs = std::filesystem;

namespace {

// "NAME.process-number.tmp", another one each time.
std::string name_beside(const fs::path& path) {
  static std::atomic<unsigned> count = 0;
  return fmt::format("{}.{}-{}{}", path.string(), ::getpid(), count++, kTemporary);
}

// A new file beside `path`, under a name that nobody has.
int open_beside(const fs::path& path, std::string& temporary) {
  refuse_home(path);
  while (true) {
    temporary = name_beside(path);
    const int fd =
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd >= 0) return fd;
    if (errno != EEXIST) fail_on_file("write", path, errno);
  }
}

[[noreturn]] void refuse(const fs::path& path, const std::string& option, const char* what) {
  throw Error(ErrorKind::kUsage,
              fmt::format("[file] {} {}, which is left as it is ({})", path.string(), what, option),
              "Give a name that nothing has yet.");
}

}  // namespace

NewFile::NewFile(const fs::path& path) : path_(path), file_(open_beside(path, temporary_)) {}

NewFile::~NewFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void NewFile::write(std::span<const std::byte> bytes) {
  write_all(file_.fd, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path_);
  size_ += bytes.size();
}

void NewFile::follow(const struct stat& old) {
  // The owner stays where we may give files away; the mode after it, which chown() changes.
  static_cast<void>(!::fchown(file_.fd, old.st_uid, old.st_gid));
  if (::fchmod(file_.fd, old.st_mode & 07777) != 0) fail_on_file("write", path_, errno);
}

void NewFile::finish() {
  sync_descriptor(file_.fd, path_);
  if (::close(std::exchange(file_.fd, -1)) != 0) fail_on_file("write", path_, errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_on_file("write", path_, errno);
  temporary_.clear();
  sync_folder(path_.parent_path());
}

NewFolder::NewFolder(const fs::path& path) : path_(path) {
  refuse_home(path);
  if (!path_.has_filename()) path_ = path_.parent_path();  // "name/"
  if (path_.has_parent_path()) make_folder(path_.parent_path());
  do {
    filled_ = name_beside(path_);
    if (::mkdir(filled_.c_str(), 0777) == 0) return;
  } while (errno == EEXIST);
  const int code = errno;
  filled_.clear();
  fail_on_file("create", path_, code);
}

NewFolder::~NewFolder() {
  std::error_code ignored;
  if (!filled_.empty()) fs::remove_all(filled_, ignored);
}

void NewFolder::finish() {
  // A rename alone would replace an empty folder.
  if (fs::exists(fs::symlink_status(path_))) fail_on_file("create", path_, EEXIST);
  if (::rename(filled_.c_str(), path_.c_str()) != 0) fail_on_file("create", path_, errno);
  filled_.clear();
  sync_folder(path_.parent_path());
}

void require_new_file(const fs::path& path, const std::string& option) {
  const fs::file_status status = fs::symlink_status(path);
  if (fs::is_directory(status)) refuse(path, option, "is a folder");
  if (fs::exists(status) && !fs::is_regular_file(status)) refuse(path, option, "is no plain file");
}

void require_new_folder(const fs::path& path, const std::string& option) {
  const fs::path name = path.has_filename() ? path : path.parent_path();
  if (fs::exists(fs::symlink_status(name))) refuse(path, option, "is there already");
}

void refuse_home(const fs::path& path) {
  if (!path.native().starts_with('~')) return;
  throw Error(
      ErrorKind::kUsage,
      fmt::format("[file] expected a path, got {}, which no shell has expanded", path.string()),
      "Write the folder in full, or ./~ for one of that name.");
}

}  // namespace ilora
