#include "cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace ilora {
namespace {

std::atomic<bool> flag{false};
static_assert(std::atomic<bool>::is_always_lock_free,
              "only lock-free atomics may be touched in a signal handler");

extern "C" void on_signal(int signal) {
  // The user insists: the step under way will not be waited for. Nothing but _exit is safe here.
  if (flag.exchange(true)) ::_exit(128 + signal);
}

}  // namespace

void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // what is under way goes on; steps look at the flag
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void ignore_file_size_signal() {
  signal(SIGXFSZ, SIG_IGN);
}

bool interrupted() {
  return flag.load();
}

}  // namespace ilora
