// The options by which a command that generates says how: shared by generate.cpp and chat.cpp.
#pragma once

#include "cli/command.h"
#include "model/generate.h"

namespace ilora {

// --max-new-tokens, --temperature, --top-k, --top-p, --min-p, --repeat-penalty, --repeat-last-n,
// --seed: with llama.cpp's names. --stop, with its -r and --reverse-prompt, fills `stops`.
void add_sampling(CLI::App& command, GenerateOptions& options, std::vector<std::string>& stops);

}  // namespace ilora
