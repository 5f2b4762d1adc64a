// Other programs, and who may work in a folder. Called by study/grid.cpp, whose cells are processes
// of their own, and by `ilora compare` and `ilora sweep`.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ilora {

// This program's own file.
std::filesystem::path own_program();

// Another program, running from construction on. It does not see a terminal's Ctrl-C itself, and is
// asked to end where this program dies.
class Process {
 public:
  // `words` is the program's file and its arguments; what it prints is appended to `output`.
  // `environment` holds NAME=VALUE, in place of what this program has under the name. Throws
  // Error(kFile) where no process can be started.
  Process(const std::vector<std::string>& words, const std::filesystem::path& output,
          const std::vector<std::string>& environment = {});
  ~Process();  // one that still runs is interrupted and waited for
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // None while it runs; then its exit code, or minus the signal that ended it. 127 where there is
  // no such program, or the system does not say how it ended.
  std::optional<int> exit_code();
  void interrupt();  // as Ctrl-C would; the child decides how it ends
  int wait();

 private:
  pid_t child_ = -1;
  std::optional<int> exit_code_;
};

// Holds a folder for one process and its children: nobody else may work in it. Throws Error(kInUse)
// where another holds it. The system lets go of it when the last of them has ended, however it
// ended.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace ilora
