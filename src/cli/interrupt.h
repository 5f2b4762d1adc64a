// Ctrl-C and SIGTERM as a flag that commands hand to long loops, which ask between steps; a second
// one ends the program at once. A signal has no owner to be passed to, so the flag is global; the
// library has none: there a session is stopped by whoever holds it.
#pragma once

namespace ilora {

// Called by the commands that look at the flag; the signals end all others at once.
void install_interrupt_handler();
// Called once by main: a file-size limit becomes an error of write(), like a full disk.
void ignore_file_size_signal();

bool interrupted();  // SIGINT or SIGTERM has come

}  // namespace ilora
