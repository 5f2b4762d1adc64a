#include "base/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/mapped_fault.h"
#include "base/sync.h"

namespace ilora {
namespace {

[[noreturn]] void fail(const std::string& verb, const std::filesystem::path& path, int code) {
  std::string hint;
  if (code == ENOENT) hint = "Check the path: there is no such file.";
  if (code == ENOSPC || code == EFBIG || code == EDQUOT)
    hint = "Free some space on that disk and go on.";
  if (code == EACCES || code == EPERM || code == EROFS) hint = "Check the permissions.";
  throw Error(ErrorKind::kFile,
              fmt::format("[file] cannot {} {}: {}", verb, path.string(), std::strerror(code)),
              hint);
}

// Owns a file descriptor; closes it unless close() was called.
struct Descriptor {
  int fd = -1;
  explicit Descriptor(int opened) : fd(opened) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

void write_all(int fd, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", path, errno);
    content.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace

namespace {

// What is mapped now, for a signal handler: it may neither lock nor allocate.
struct Mapping {
  std::atomic<bool> taken{false};
  std::atomic<const std::byte*> begin{nullptr};
  size_t size = 0;
  char path[512] = {};
};
std::array<Mapping, 256> mappings;  // a model has a few files; more are not told apart

void note_mapping(const std::byte* begin, size_t size, const std::string& path) {
  for (Mapping& mapping : mappings) {
    if (mapping.taken.exchange(true)) continue;
    mapping.size = size;
    path.copy(mapping.path, sizeof mapping.path - 1);
    mapping.path[std::min(path.size(), sizeof mapping.path - 1)] = '\0';
    mapping.begin.store(begin);
    return;
  }
}

void forget_mapping(const std::byte* begin) {
  for (Mapping& mapping : mappings) {
    if (mapping.begin.load() != begin) continue;
    mapping.begin.store(nullptr);
    mapping.taken.store(false);
    return;
  }
}

}  // namespace

const char* mapped_file_at(const void* address) noexcept {
  for (const Mapping& mapping : mappings) {
    const std::byte* begin = mapping.begin.load();
    if (begin != nullptr && address >= begin && address < begin + mapping.size) return mapping.path;
  }
  return nullptr;
}

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) fail("open", path, errno);
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) fail("read", path, errno);
  if (S_ISDIR(info.st_mode)) fail("read", path, EISDIR);
  if (!S_ISREG(info.st_mode)) fail("map", path, ENODEV);
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (mapped == MAP_FAILED) fail("map", path, errno);
  data_ = static_cast<const std::byte*>(mapped);
  note_mapping(data_, size_, path.string());
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  forget_mapping(data_);
  ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void release_pages(std::span<const std::byte> mapped) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  // Whole pages alone: what lies around may be in use.
  const auto address = reinterpret_cast<uintptr_t>(mapped.data());
  const size_t skipped = (page - address % page) % page;
  if (skipped >= mapped.size()) return;
  const size_t bytes = (mapped.size() - skipped) / page * page;
  void* begin = const_cast<std::byte*>(mapped.data()) + skipped;
  if (bytes > 0) ::madvise(begin, bytes, MADV_DONTNEED);
}

// What a pipe brings, to its end.
std::string read_stream(const std::filesystem::path& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) fail("open", path, errno);
  std::string content;
  std::array<char, 1 << 16> part{};
  while (true) {
    const ssize_t n = ::read(file.fd, part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path, errno);
    if (n == 0) return content;
    content.append(part.data(), static_cast<size_t>(n));
  }
}

std::string read_file(const std::filesystem::path& path) {
  struct stat info {};
  const bool stream =
      ::stat(path.c_str(), &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode));
  if (stream) return read_stream(path);
  const MappedFile file(path);
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

namespace {

constexpr const char* kTemporary = ".tmp";  // NAME.process-number.tmp

void refuse_home(const std::filesystem::path& path) {
  if (!path.native().starts_with('~')) return;
  throw Error(
      ErrorKind::kUsage,
      fmt::format("[file] expected a path, got {}, which no shell has expanded", path.string()),
      "Write the folder in full, or ./~ for one of that name.");
}

// What `path` names in the end, where it is a link; that need not be there.
std::filesystem::path link_target(const std::filesystem::path& path) {
  std::filesystem::path target = path;
  constexpr int kMostLinks = 40;
  for (int i = 0; i < kMostLinks; ++i) {
    std::error_code code;
    const std::filesystem::path next = std::filesystem::read_symlink(target, code);
    if (code) return target;
    target = target.parent_path() / next;
  }
  fail("write", path, ELOOP);
}

// A new file beside `path`, under a name that nobody has.
Descriptor open_beside(const std::filesystem::path& path, std::string& temporary) {
  static std::atomic<unsigned> count = 0;
  while (true) {
    temporary = fmt::format("{}.{}-{}{}", path.string(), ::getpid(), count++, kTemporary);
    const int fd =
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd >= 0) return Descriptor{fd};
    if (errno == EEXIST) continue;
    temporary.clear();
    fail("write", path, errno);
  }
}

void sync(int fd, const std::filesystem::path& path) {
  // EINVAL: nothing there can be synced.
  if (::fsync(fd) != 0 && errno != EINVAL) fail("write", path, errno);
}

void replace_file(const std::filesystem::path& path, std::string_view content,
                  const struct stat* old) {
  std::string temporary;
  try {
    Descriptor file = open_beside(path, temporary);
    if (old != nullptr) {
      // The owner stays where we may give files away; the mode after it, which chown() changes.
      static_cast<void>(!::fchown(file.fd, old->st_uid, old->st_gid));
      if (::fchmod(file.fd, old->st_mode & 07777) != 0) fail("write", path, errno);
    }
    write_all(file.fd, content, path);
    sync(file.fd, path);
    if (::close(std::exchange(file.fd, -1)) != 0) fail("write", path, errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail("write", path, errno);
  } catch (...) {
    if (!temporary.empty()) ::unlink(temporary.c_str());
    throw;
  }
  sync_folder(path.parent_path());
}

}  // namespace

void write_file_atomic(const std::filesystem::path& path, std::string_view content) {
  refuse_home(path);
  const std::filesystem::path target = link_target(path);
  struct stat old {};
  if (::lstat(target.c_str(), &old) != 0) {
    if (errno != ENOENT) fail("write", path, errno);
    replace_file(target, content, nullptr);
  } else if (S_ISREG(old.st_mode)) {
    replace_file(target, content, &old);
  } else if (S_ISCHR(old.st_mode) || S_ISFIFO(old.st_mode)) {
    const Descriptor file{::open(target.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY)};
    if (file.fd < 0) fail("write", path, errno);
    write_all(file.fd, content, path);
  } else {
    fail("write", path, S_ISDIR(old.st_mode) ? EISDIR : ENOTSUP);
  }
}

void keep_file(const std::filesystem::path& path, const std::filesystem::path& copy) {
  if (!std::filesystem::exists(path)) return;
  // Files are replaced, never written over: a second name is enough, where the disk has such.
  ::unlink(copy.c_str());
  if (::link(path.c_str(), copy.c_str()) != 0) write_file_atomic(copy, read_file(path));
}

void remove_leftovers(const std::filesystem::path& folder) {
  std::error_code code;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, code)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(kTemporary)) continue;
    const std::string stem = name.substr(0, name.size() - std::strlen(kTemporary));
    int pid = 0, length = 0;
    const size_t dot = stem.rfind('.');
    if (dot == std::string::npos) continue;
    const bool ours = std::sscanf(stem.c_str() + dot, ".%d-%*u%n", &pid, &length) == 1 &&
                      dot + static_cast<size_t>(length) == stem.size();
    if (ours && pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH)
      std::filesystem::remove(entry.path(), code);
  }
}

void sync_folder(const std::filesystem::path& folder) {
  const char* name = folder.empty() ? "." : folder.c_str();
  const Descriptor opened{::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (opened.fd >= 0) sync(opened.fd, folder);
}

void sync_file(const std::filesystem::path& path) {
  const Descriptor file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (file.fd < 0 && errno == ENOENT) return;
  if (file.fd < 0) fail("write", path, errno);
  sync(file.fd, path);
  sync_folder(path.parent_path());
}

std::string expand_home(const std::string& path) {
  if (!path.starts_with('~')) return path;
  const char* home = std::getenv("HOME");
  const bool alone = path.size() == 1 || path[1] == '/';
  if (!alone || home == nullptr || *home == '\0')
    throw Error(ErrorKind::kUsage,
                fmt::format("[file] expected a path, got {}{}", path,
                            alone ? ", and HOME is not set" : ", the folder of another user"),
                "Write the folder in full.");
  return home + path.substr(1);
}

void append_line(const std::filesystem::path& path, std::string_view line) {
  refuse_home(path);
  const Descriptor file{::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)};
  if (file.fd < 0) fail("write", path, errno);
  write_all(file.fd, std::string(line) + "\n", path);
}

void make_folder(const std::filesystem::path& path) {
  refuse_home(path);
  // From the highest on, each with its name in the folder above brought to the disk.
  std::filesystem::path made;
  for (const std::filesystem::path& part : path) {
    made /= part;
    std::error_code code, ignored;
    const bool is_new = std::filesystem::create_directory(made, code);
    if (code && !std::filesystem::is_directory(made, ignored)) fail("create", path, code.value());
    if (is_new) sync_folder(made.parent_path());
  }
}

}  // namespace ilora
