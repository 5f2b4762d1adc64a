#include "cli/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <cstring>

#include "base/exit_code.h"
#include "base/mapped_fault.h"

namespace ilora {
namespace {

std::atomic<int> first{0};
static_assert(std::atomic<int>::is_always_lock_free,
              "only lock-free atomics may be touched in a signal handler");

extern "C" void on_signal(int signal) {
  int none = 0;
  // The user insists: the step under way will not be waited for. Nothing but _exit is safe here.
  if (!first.compare_exchange_strong(none, signal)) ::_exit(exit_code_of_signal(signal));
}

void write_text(const char* text) {
  if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) return;  // nothing else can be done here
}

// A page of a mapped file is gone. Only what is safe in a handler: no log, no unwinding.
extern "C" void on_lost_page(int signal, siginfo_t* info, void*) {
  const char* file = mapped_file_at(info->si_addr);
  if (file == nullptr) {
    ::signal(signal, SIG_DFL);  // a fault of another kind: it is raised again and ends the program
    return;
  }
  write_text("\nerror: [file] ");
  write_text(file);
  write_text(
      " was cut short or written over while it was in use\nerror:   Put the file back. A run that "
      "was "
      "trained goes on from its last checkpoint: ilora train --resume RUN\n");
  ::_exit(kExitFailed);
}

bool is_ignored(int signal) {
  struct sigaction before {};
  return sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_IGN;
}

}  // namespace

void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // what is under way goes on; steps look at the flag
  for (const int signal : kStopSignals) {
    if (signal != SIGHUP || !is_ignored(signal)) sigaction(signal, &action, nullptr);
  }
}

void explain_lost_pages() {
  struct sigaction action {};
  action.sa_sigaction = on_lost_page;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

void ignore_closed_pipe() {
  signal(SIGPIPE, SIG_IGN);
}

void ignore_file_size_signal() {
  signal(SIGXFSZ, SIG_IGN);
}

int stop_signal() {
  return first.load();
}

}  // namespace ilora
