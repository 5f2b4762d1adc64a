#include "cli/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

namespace ilora {
namespace {

// Each runs in a child process of its own, so that handlers and flag do not leak into other tests.

TEST(InterruptDeathTest, TheFirstSignalSetsTheFlag) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    EXPECT_EXIT(
        {
          install_interrupt_handler();
          if (interrupted()) ::_exit(1);
          raise(signal);
          if (!interrupted() || stop_signal() != signal) ::_exit(2);
          ::_exit(0);
        },
        testing::ExitedWithCode(0), "");
  }
}

TEST(InterruptDeathTest, TheSecondEndsTheProgramAtOnce) {
  EXPECT_EXIT(
      {
        install_interrupt_handler();
        raise(SIGINT);
        raise(SIGINT);
        ::_exit(0);
      },
      testing::ExitedWithCode(128 + SIGINT), "");
}

TEST(InterruptDeathTest, UnderNohupAClosedTerminalIsIgnored) {
  EXPECT_EXIT(
      {
        ::signal(SIGHUP, SIG_IGN);
        install_interrupt_handler();
        raise(SIGHUP);
        ::_exit(interrupted() ? 1 : 0);
      },
      testing::ExitedWithCode(0), "");
}

TEST(InterruptDeathTest, AReaderThatGoesAwayDoesNotKill) {
  EXPECT_EXIT(
      {
        ignore_closed_pipe();
        raise(SIGPIPE);
        ::_exit(0);
      },
      testing::ExitedWithCode(0), "");
}

TEST(InterruptDeathTest, AFileSizeLimitDoesNotKill) {
  EXPECT_EXIT(
      {
        ignore_file_size_signal();
        raise(SIGXFSZ);
        ::_exit(0);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace ilora
