// Ctrl-C and SIGTERM as a flag that long loops look at between steps; a second one ends the program
// at once. A signal has no owner to be passed to, so the flag is the one global beside the log.
#pragma once

namespace ilora {

// Called once by main. Also ignores SIGXFSZ, so that a file-size limit is an error of write() like
// a full disk.
void install_interrupt_handler();

bool interrupted();        // SIGINT or SIGTERM has come
void request_interrupt();  // as if it had: for tests and embedding
void clear_interrupt();    // after the interruption was dealt with

}  // namespace ilora
