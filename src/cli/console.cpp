#include "cli/console.h"

namespace ilora {

Log& log() {
  static Log instance;
  return instance;
}

void warn_of(const std::string& warning) {
  if (!warning.empty()) log().warn("{}", warning);
}

void warn_each(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) log().warn("{}", warning);
}

void say_left_out(const ModelFiles& files) {
  if (!files.left_out().empty())
    log().info("of the model's folder the text model is read alone, without the tensors of {}",
               files.left_out());
}

}  // namespace ilora
