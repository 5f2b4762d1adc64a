// Text files that must be UTF-8. Called by the readers of tasks and probes and by the importers.
#pragma once

#include <filesystem>
#include <string>

namespace ilora {

// The content of a file, without a byte-order mark. Throws Error(kData) naming file, line and
// column of the first byte that is not UTF-8 (such as Latin-1's "ü" in between).
std::string read_utf8(const std::filesystem::path& path);

}  // namespace ilora
