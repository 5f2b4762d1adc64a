// What the program ends with. docs/reliability.md has the table for users.
#pragma once

#include <signal.h>

#include "base/error.h"

namespace ilora {

enum ExitCode : int {
  kExitDone = 0,
  kExitFailed = 1,  // a file, a format, rows, a number that is not finite, a fault of ours
  kExitUsage = 2,   // the command line or a configuration is wrong
  kExitInUse = 3,   // another ilora works in that folder
  kExitMemory = 4,  // there is not enough memory
};

// What the user may stop a run with. It ends with 128 + signal, as if the signal had ended it,
// once its state is saved.
inline constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGHUP};

constexpr int exit_code_of_signal(int signal) {
  return 128 + signal;
}
constexpr bool is_stopped(int exit_code) {
  for (const int signal : kStopSignals) {
    if (exit_code == exit_code_of_signal(signal)) return true;
  }
  return false;
}

// Of an error other than kInterrupted.
constexpr ExitCode exit_code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return kExitUsage;
    case ErrorKind::kInUse:
      return kExitInUse;
    default:
      return kExitFailed;
  }
}

}  // namespace ilora
