#include "base/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"

namespace ilora {
namespace {

constexpr int kLostCode = 127;  // as a shell's for a program that it cannot start
constexpr auto kPause = std::chrono::milliseconds(20);

// This program's environment with `changes`.
std::vector<std::string> merged(const std::vector<std::string>& changes) {
  std::vector<std::string> all = changes;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable, name = text.substr(0, text.find('=') + 1);
    const bool changed = std::any_of(changes.begin(), changes.end(),
                                     [&](const std::string& c) { return c.starts_with(name); });
    if (!changed) all.push_back(text);
  }
  return all;
}

// As execve() takes them.
std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// What the child does before it becomes the other program; only calls that are safe after fork().
[[noreturn]] void become(char* const* words, char* const* environment, int input, int output,
                         pid_t parent) {
  ::setpgid(0, 0);  // out of the terminal's foreground: Ctrl-C reaches the parent alone
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(kLostCode);  // it died in between
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::execve(words[0], words, environment);
  ::_exit(kLostCode);
}

int open_file(const std::filesystem::path& path, int flags) {
  const int file = open_again(path.c_str(), flags, 0644);
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

Process::Process(const std::vector<std::string>& words, const std::filesystem::path& output,
                 const std::vector<std::string>& environment) {
  std::vector<std::string> copies = words, variables = merged(environment);
  const std::vector<char*> argv = pointers(copies), envp = pointers(variables);
  const int log = open_file(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
  const int input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const pid_t parent = ::getpid();
  child_ = ::fork();
  if (child_ == 0) become(argv.data(), envp.data(), input, log, parent);
  ::close(input);
  ::close(log);
  if (child_ < 0)
    throw Error(ErrorKind::kFile, fmt::format("[process] cannot start {}", words.front()));
}

Process::~Process() {
  if (exit_code()) return;
  interrupt();
  wait();
}

std::optional<int> Process::exit_code() {
  if (exit_code_) return exit_code_;
  int status = 0;
  const pid_t ended = ::waitpid(child_, &status, WNOHANG);
  if (ended == child_) exit_code_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  if (ended < 0 && errno != EINTR) exit_code_ = kLostCode;
  return exit_code_;
}

void Process::interrupt() {
  if (!exit_code_) ::kill(child_, SIGINT);
}

int Process::wait() {
  while (!exit_code()) std::this_thread::sleep_for(kPause);
  return *exit_code_;
}

FolderLock::FolderLock(const std::filesystem::path& folder) {
  make_folder(folder);
  // Not closed on exec: a child that outlives its parent still holds the folder.
  file_ = open_file(folder / ".lock", O_RDWR | O_CREAT);
  int failed = 0;
  do {
    failed = ::flock(file_, LOCK_EX | LOCK_NB);
  } while (failed != 0 && errno == EINTR);
  if (failed == 0) return;
  const int reason = errno;
  ::close(file_);
  if (reason != EWOULDBLOCK) {
    throw Error(ErrorKind::kFile, fmt::format("[process] cannot lock {}: {}", folder.string(),
                                              std::generic_category().message(reason)));
  }
  throw Error(ErrorKind::kInUse,
              fmt::format("[process] {} is in use by another ilora", folder.string()),
              "Wait until it has ended, or choose another folder.");
}

FolderLock::~FolderLock() {
  ::close(file_);
}

}  // namespace ilora
