// Files that are cut short while they are mapped: touching a page that is gone raises SIGBUS. Who
// handles that signal asks here which file it was (cli/interrupt.cpp).
#pragma once

namespace ilora {

// The path of the MappedFile whose bytes hold `address`, null where none does. May be called in a
// signal handler. Of a long path the beginning.
const char* mapped_file_at(const void* address) noexcept;

}  // namespace ilora
