// Another program, run to its end. Called by study/grid.cpp, whose cells are processes of their
// own.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace ilora {

// This program's own file.
std::filesystem::path own_program();

// Runs `words` (program first) with its output appended to `output`, and returns its exit code, or
// minus the signal that ended it. An interruption of this program (base/interrupt.h) is passed on
// once and then waited for: the child decides how it ends. It does not see a terminal's Ctrl-C
// itself, and is asked to end where this program dies. `tick` is called a few times a second.
// Throws Error(kFile) where no process can be started.
int run_process(const std::vector<std::string>& words, const std::filesystem::path& output,
                const std::function<void()>& tick = {});

// Holds a folder for one process and its children: nobody else may work in it. Throws Error(kUsage)
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
