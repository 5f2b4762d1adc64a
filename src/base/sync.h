// A file that was added to, brought to the disk: what write_file_atomic does of itself, appended lines
// do not. Called at checkpoints.
#pragma once

#include <filesystem>

namespace ilora {

// What the file holds now outlives a loss of power, and so does its name. Nothing where there is no
// such file. Throws Error(kFile) where the disk refuses.
void sync_file(const std::filesystem::path& path);

}  // namespace ilora
