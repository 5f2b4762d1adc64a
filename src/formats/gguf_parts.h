// GGUF files that were split (llama-gguf-split): PREFIX-00001-of-00003.gguf and so on. Called by
// gguf.cpp.
#pragma once

#include <filesystem>
#include <vector>

namespace ilora {

// All parts of the model that `path` is one of, in order, by its name; a file that is not called so
// is alone. Throws Error(kFile) naming a part that is not there.
std::vector<std::filesystem::path> gguf_parts(const std::filesystem::path& path);

}  // namespace ilora
