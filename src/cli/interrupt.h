// Ctrl-C, SIGTERM and a closed terminal as a flag that commands hand to long loops, which ask
// between steps; a second signal ends the program at once. A signal has no owner to be passed to,
// so the flag is global; the library has none: there a session is stopped by whoever holds it.
#pragma once

namespace ilora {

// Called by the commands that look at the flag, where there begins to be something to save; until
// then, and in all others, the signals end the program at once. SIGHUP stays ignored where it is,
// as under nohup.
void install_interrupt_handler();
// Called by the same commands as they begin: a reader of the output that goes away ends the
// printing, not the work.
void ignore_closed_pipe();
// Called once by main: a file-size limit becomes an error of write(), like a full disk.
void ignore_file_size_signal();
// Called once by main: a model file that is cut short while it is in use ends the program with an
// error that names it.
void explain_lost_pages();

// The first of kStopSignals (base/exit_code.h) that has come; 0: none.
int stop_signal();
inline bool interrupted() {
  return stop_signal() != 0;
}

}  // namespace ilora
