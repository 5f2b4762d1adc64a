#include "base/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/interrupt.h"

namespace ilora {
namespace {

constexpr auto kPause = std::chrono::milliseconds(20);
constexpr int kTicksPerPause = 10;

// What the child does before it becomes the other program; only calls that are safe after fork().
[[noreturn]] void become(char* const* words, int input, int output, pid_t parent) {
  ::setpgid(0, 0);  // out of the terminal's foreground: Ctrl-C reaches the parent alone
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // it died in between
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::execv(words[0], words);
  ::_exit(127);
}

int open_file(const std::filesystem::path& path, int flags) {
  const int file = ::open(path.c_str(), flags, 0644);
  if (file < 0) {
    throw Error(ErrorKind::kFile,
                fmt::format("[file] cannot open {}: {}", path.string(), std::strerror(errno)));
  }
  return file;
}

}  // namespace

std::filesystem::path own_program() {
  return std::filesystem::read_symlink("/proc/self/exe");
}

int run_process(const std::vector<std::string>& words, const std::filesystem::path& output,
                const std::function<void()>& tick) {
  std::vector<std::string> copies = words;
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : copies) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int input = open_file("/dev/null", O_RDONLY | O_CLOEXEC);
  const int log = open_file(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) become(argv.data(), input, log, parent);
  ::close(input);
  ::close(log);
  if (child < 0)
    throw Error(ErrorKind::kFile, fmt::format("[process] cannot start {}", words.front()));

  bool told = false;
  int status = 0;
  for (int64_t pause = 0;; ++pause) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) break;
    if (ended < 0 && errno != EINTR)
      throw Error(ErrorKind::kFile, fmt::format("[process] lost {}", words.front()));
    if (interrupted() && !told) {
      ::kill(child, SIGINT);
      told = true;
    }
    if (tick && pause % kTicksPerPause == 0) tick();
    std::this_thread::sleep_for(kPause);
  }
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

FolderLock::FolderLock(const std::filesystem::path& folder) {
  make_folder(folder);
  // Not closed on exec: a child that outlives its parent still holds the folder.
  file_ = open_file(folder / ".lock", O_RDWR | O_CREAT);
  if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
  ::close(file_);
  throw Error(ErrorKind::kUsage,
              fmt::format("[process] {} is in use by another ilora", folder.string()),
              "Wait until it has ended, or choose another folder.");
}

FolderLock::~FolderLock() {
  ::close(file_);
}

}  // namespace ilora
