// Where what can be computed again is kept for the next program.
#pragma once

#include <filesystem>
#include <optional>

namespace ilora {

// $XDG_CACHE_HOME/ilora, else $HOME/.cache/ilora; none where neither is an absolute path. It need
// not exist.
std::optional<std::filesystem::path> user_cache_folder();

}  // namespace ilora
