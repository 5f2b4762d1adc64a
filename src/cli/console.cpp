#include "cli/console.h"

namespace ilora {

Log& log() {
  static Log instance;
  return instance;
}

}  // namespace ilora
