// What the Qwen families share.
#pragma once

#include "model/families/common.h"

namespace ilora {

// Which layers of a folder have a window: with use_sliding_window those that layer_types says, else
// those from max_window_layers on.
void read_qwen_windows(const FolderKeys& keys, ModelConfig& config);

}  // namespace ilora
