// The one clock that durations are taken from.
#pragma once

namespace ilora {

// Steady, from any origin: only differences mean something.
double seconds_now();

}  // namespace ilora
