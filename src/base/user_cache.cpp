#include "base/user_cache.h"

#include <cstdlib>

namespace ilora {

std::optional<std::filesystem::path> user_cache_folder() {
  namespace fs = std::filesystem;
  const auto folder = [](const char* variable) -> fs::path {
    const char* value = std::getenv(variable);
    return value == nullptr ? "" : value;
  };
  if (const fs::path cache = folder("XDG_CACHE_HOME"); cache.is_absolute()) return cache / "ilora";
  if (const fs::path home = folder("HOME"); home.is_absolute()) return home / ".cache" / "ilora";
  return {};
}

}  // namespace ilora
