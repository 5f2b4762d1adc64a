// Files and folders that are there as a whole or not at all: filled under another name beside their
// own, then renamed.
//
// Called by write_file_atomic (file.h), by the writers of models (formats/), by `ilora export` and
// `ilora data import`, and for what a run was before it learns more (session/training.cpp).
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/descriptor.h"

namespace ilora {

inline constexpr std::string_view kTemporary = ".tmp";  // NAME.process-number.tmp

// A file that is written piece by piece. It gets its name, and takes the place of what had it, in
// finish(), when all of it is on the disk; without that nothing is left. Throws Error(kFile) where
// the disk does.
class NewFile {
 public:
  explicit NewFile(const std::filesystem::path& path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  size_t size() const { return size_; }  // bytes written so far
  // Mode, and where we may owner, of the file that it follows.
  void follow(const struct stat& old);
  void finish();

 private:
  std::filesystem::path path_;
  std::string temporary_;  // empty: renamed
  Descriptor file_;
  size_t size_ = 0;
};

// A folder likewise; without finish() it goes with what is in it.
class NewFolder {
 public:
  explicit NewFolder(const std::filesystem::path& path);
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const std::filesystem::path& path() const { return filled_; }  // where to write
  void finish();  // throws Error(kFile) where something has the name by now

 private:
  std::filesystem::path path_, filled_;
};

// Removes a folder that may be taken for whole: its name goes at once, then what was in it. Nothing
// where there is none. Throws Error(kFile).
void remove_folder(const std::filesystem::path& path);

// Throws Error(kUsage), naming `option`, where `path` is anything but a regular file or a name that
// nothing has; a link is neither. For a folder: where anything has the name.
void require_new_file(const std::filesystem::path& path, const std::string& option);
// Throws Error(kUsage), naming `option`, where `path` is a regular file that does not begin as what is
// to take its place does (letters in either case): somebody's model, configuration or rows, named by
// mistake. An empty file may go.
void require_same_kind(const std::filesystem::path& path, const std::string& option,
                       std::string_view begin);
void require_new_folder(const std::filesystem::path& path, const std::string& option);

// Throws Error(kUsage) for a path that begins with "~", "$HOME" or "${": no shell has expanded it.
void refuse_home(const std::filesystem::path& path);

}  // namespace ilora
