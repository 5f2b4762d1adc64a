// ilora data show: a row as a model reads it, and what of it is learned. Part of `ilora data`.
#pragma once

#include "cli/command.h"

namespace ilora {

void add_data_show(CLI::App& data);

}  // namespace ilora
