#include "base/new_file.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <fstream>
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
        open_again(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
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
  // Cut off by a signal it is closed all the same; what was written is on the disk.
  if (::close(std::exchange(file_.fd, -1)) != 0 && errno != EINTR)
    fail_on_file("write", path_, errno);
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

void remove_folder(const fs::path& path) {
  std::string gone;
  do {
    gone = name_beside(path);
  } while (fs::exists(fs::symlink_status(gone)));
  if (::rename(path.c_str(), gone.c_str()) != 0) {
    if (errno == ENOENT) return;
    fail_on_file("remove", path, errno);
  }
  sync_folder(path.parent_path());
  std::error_code code;
  fs::remove_all(gone, code);
  if (code) fail_on_file("remove", gone, code.value());
}

void require_new_file(const fs::path& path, const std::string& option) {
  const fs::file_status status = fs::symlink_status(path);
  if (fs::is_directory(status)) refuse(path, option, "is a folder");
  if (fs::exists(status) && !fs::is_regular_file(status)) refuse(path, option, "is no plain file");
}

void require_same_kind(const fs::path& path, const std::string& option, std::string_view begin) {
  if (!fs::is_regular_file(path) || fs::file_size(path) == 0) return;
  std::ifstream file(path, std::ios::binary);
  std::string there(begin.size(), '\0');
  file.read(there.data(), static_cast<std::streamsize>(there.size()));
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  if (!std::ranges::equal(there, begin, {}, lower, lower))
    refuse(path, option, "holds something else than what is written");
}

void require_new_folder(const fs::path& path, const std::string& option) {
  const fs::path name = path.has_filename() ? path : path.parent_path();
  if (fs::exists(fs::symlink_status(name))) refuse(path, option, "is there already");
}

void refuse_home(const fs::path& path) {
  const std::string& name = path.native();
  if (!name.starts_with('~') && !name.starts_with("$HOME") && !name.starts_with("${")) return;
  throw Error(
      ErrorKind::kUsage,
      fmt::format("[file] expected a path, got {}, which no shell has expanded", path.string()),
      "Write the folder in full, or put ./ before it for one of that name.");
}

}  // namespace ilora
