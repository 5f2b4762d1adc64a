// ilora memory, for main.cpp.
#pragma once

#include <CLI/CLI.hpp>

namespace ilora {

void add_memory(CLI::App& app);

}  // namespace ilora
