// The name of a JSON value alone, for headers.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace ilora {

// Keeps the order of keys, so that files read as they were written.
using Json = nlohmann::ordered_json;

}  // namespace ilora
