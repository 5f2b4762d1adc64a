// Files: mapped for reading, written atomically.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace ilora {

// A whole file mapped read-only. Throws Error(kFile) where it is missing or unreadable. Movable,
// not copyable.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Lets go of the memory behind a part of a MappedFile; it is read again when it is touched. Only
// for such bytes: other memory would lose its content.
void release_pages(std::span<const std::byte> mapped);

std::string read_file(const std::filesystem::path& path);

// Writes to a temporary file beside `path`, syncs it and renames it over `path`: a reader sees the
// old content or the new, never a part; on failure (a full disk, say) the old file stays and
// Error(kFile) is thrown. An old file's mode and owner stay. A symbolic link stays too, and what it
// names is written. A device or a pipe is written into. Anything else is refused.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);

// `copy` becomes the content that `path` has now, whatever is written to `path` later. Nothing where
// there is no such file.
void keep_file(const std::filesystem::path& path, const std::filesystem::path& copy);

// Removes what write_file_atomic, NewFolder and remove_folder (new_file.h) left in `folder` and below
// where their process was killed. Called by who holds the folder.
void remove_leftovers(const std::filesystem::path& folder);

void append_line(const std::filesystem::path& path, std::string_view line);  // adds '\n'
void make_folder(const std::filesystem::path& path);                         // with its parents
// What a rename or a new name in the folder needs to outlive a loss of power. Does nothing on file
// systems that cannot.
void sync_folder(const std::filesystem::path& folder);

// "~" and "~/x" as a shell reads them, other texts as they are. Throws Error(kUsage) for "~name",
// and where HOME is not set. Writing to a path that begins with "~" is refused: nobody means a
// folder of that name, and "./~" is left to who does.
std::string expand_home(const std::string& path);

}  // namespace ilora
