#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace ilora {
namespace {

[[noreturn]] void fail(const std::string& verb, const std::filesystem::path& path, int code) {
  std::string hint;
  if (code == ENOENT) hint = "Check the path: there is no such file.";
  if (code == ENOSPC || code == EFBIG || code == EDQUOT)
    hint = "Free some space on that disk and go on.";
  if (code == EACCES) hint = "Check the permissions.";
  throw Error(ErrorKind::kFile,
              fmt::format("[file] cannot {} {}: {}", verb, path.string(), std::strerror(code)),
              hint);
}

// Owns a file descriptor; closes it unless close() was called.
struct Descriptor {
  int fd = -1;
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
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
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

void write_file_atomic(const std::filesystem::path& path, std::string_view content) {
  const std::filesystem::path temporary = path.string() + ".tmp";
  try {
    Descriptor file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (file.fd < 0) fail("write", path, errno);
    write_all(file.fd, content, path);
    if (::fsync(file.fd) != 0) fail("write", path, errno);
    const int closed = ::close(std::exchange(file.fd, -1));
    if (closed != 0) fail("write", path, errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail("write", path, errno);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

void append_line(const std::filesystem::path& path, std::string_view line) {
  const Descriptor file{::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)};
  if (file.fd < 0) fail("write", path, errno);
  write_all(file.fd, std::string(line) + "\n", path);
}

void make_folder(const std::filesystem::path& path) {
  std::error_code code;
  std::filesystem::create_directories(path, code);
  if (code) fail("create", path, code.value());
}

}  // namespace ilora
