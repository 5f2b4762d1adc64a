// The options by which a command that generates says how: shared by generate.cpp and chat.cpp.
#pragma once

#include "cli/command.h"
#include "model/generate.h"

namespace ilora {

// --max-new-tokens, --temperature, --top-k, --top-p, --seed.
void add_sampling(CLI::App& command, GenerateOptions& options);

}  // namespace ilora
