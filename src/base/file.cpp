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
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/mapped_fault.h"
#include "base/new_file.h"
#include "base/sync.h"

namespace ilora {
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
  const Descriptor file{open_again(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) fail_on_file("open", path, errno);
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) fail_on_file("read", path, errno);
  if (S_ISDIR(info.st_mode)) fail_on_file("read", path, EISDIR);
  if (!S_ISREG(info.st_mode)) fail_on_file("map", path, ENODEV);
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (mapped == MAP_FAILED) fail_on_file("map", path, errno);
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
  const Descriptor file{open_again(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) fail_on_file("open", path, errno);
  std::string content;
  std::array<char, 1 << 16> part{};
  while (true) {
    const ssize_t n = ::read(file.fd, part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_on_file("read", path, errno);
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
  fail_on_file("write", path, ELOOP);
}

void replace_file(const std::filesystem::path& path, std::string_view content,
                  const struct stat* old) {
  NewFile file(path);
  if (old != nullptr) file.follow(*old);
  file.write(content);
  file.finish();
}

}  // namespace

void write_file_atomic(const std::filesystem::path& path, std::string_view content) {
  refuse_home(path);
  const std::filesystem::path target = link_target(path);
  struct stat old {};
  if (::lstat(target.c_str(), &old) != 0) {
    if (errno != ENOENT) fail_on_file("write", path, errno);
    replace_file(target, content, nullptr);
  } else if (S_ISREG(old.st_mode)) {
    replace_file(target, content, &old);
  } else if (S_ISCHR(old.st_mode) || S_ISFIFO(old.st_mode)) {
    const Descriptor file{open_again(target.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY)};
    if (file.fd < 0) fail_on_file("write", path, errno);
    write_all(file.fd, content, path);
  } else {
    fail_on_file("write", path, S_ISDIR(old.st_mode) ? EISDIR : ENOTSUP);
  }
}

void keep_file(const std::filesystem::path& path, const std::filesystem::path& copy) {
  if (!std::filesystem::exists(path)) return;
  // Files are replaced, never written over: a second name is enough, where the disk has such.
  ::unlink(copy.c_str());
  if (::link(path.c_str(), copy.c_str()) != 0) write_file_atomic(copy, read_file(path));
}

namespace {

// Whether a name is one that new_file.cpp gave, by a process that is no more.
bool is_leftover(const std::string& name) {
  if (!name.ends_with(kTemporary)) return false;
  const std::string stem = name.substr(0, name.size() - kTemporary.size());
  int pid = 0, length = 0;
  const size_t dot = stem.rfind('.');
  if (dot == std::string::npos) return false;
  const bool ours = std::sscanf(stem.c_str() + dot, ".%d-%*u%n", &pid, &length) == 1 &&
                    dot + static_cast<size_t>(length) == stem.size();
  return ours && pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH;
}

}  // namespace

void remove_leftovers(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::vector<fs::path> found;
  std::error_code code;
  for (fs::recursive_directory_iterator entry(folder, code), end; !code && entry != end;
       entry.increment(code)) {
    if (!is_leftover(entry->path().filename().string())) continue;
    found.push_back(entry->path());
    entry.disable_recursion_pending();
  }
  for (const fs::path& path : found) fs::remove_all(path, code);
}

void sync_folder(const std::filesystem::path& folder) {
  const char* name = folder.empty() ? "." : folder.c_str();
  const Descriptor opened{open_again(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (opened.fd >= 0) return sync_descriptor(opened.fd, folder);
  if (errno != EACCES) fail_on_file("write", name, errno);  // what cannot be read cannot be synced
}

void sync_file(const std::filesystem::path& path) {
  const Descriptor file{open_again(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (file.fd < 0 && errno == ENOENT) return;
  if (file.fd < 0) fail_on_file("write", path, errno);
  sync_descriptor(file.fd, path);
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
  const Descriptor file{open_again(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)};
  if (file.fd < 0) fail_on_file("write", path, errno);
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
    if (code && !std::filesystem::is_directory(made, ignored))
      fail_on_file("create", path, code.value());
    if (is_new) sync_folder(made.parent_path());
  }
}

}  // namespace ilora
