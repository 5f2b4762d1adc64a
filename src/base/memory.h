// Aligned memory, in huge pages where it is large.
#pragma once

#include <cstddef>

namespace ilora {

// `bytes` (at least 1) of 64-byte aligned memory, not cleared, to be given back with std::free.
// From 4 MiB on the system is asked for pages of 2 MiB, where it has them on request (Linux,
// transparent_hugepage "madvise" or "always"): a step reads and writes a gigabyte once, and looks
// up far fewer addresses. Throws std::bad_alloc.
void* allocate_aligned(size_t bytes);

}  // namespace ilora
