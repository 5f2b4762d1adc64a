// `ilora export` and `ilora merge`.
#pragma once

#include "cli/command.h"

namespace ilora {

void add_export(CLI::App& app);

}  // namespace ilora
