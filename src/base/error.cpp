#include "base/error.h"

namespace ilora {

void check_failed(const char* condition, const char* file, int line, const std::string& message) {
  throw Error(ErrorKind::kInternal,
              fmt::format("[check] {} does not hold at {}:{}{}{}", condition, file, line,
                          message.empty() ? "" : ": ", message),
              "This is a bug in ilora; please report it with the command that led here.");
}

}  // namespace ilora
