// failed.json: why a cell of a grid did not come to its end. Written and read by study/grid.cpp.
#pragma once

#include <cstdint>
#include <string>

namespace ilora {

struct Failure {
  static constexpr const char* kFile = "failed.json";
  static constexpr const char* kRemedy =
      "Remove the cell's folder, and the same command runs it again.";

  int64_t exit = 0;  // its exit code, or minus the signal that ended it
  std::string error;

  static void visit(auto& keys, auto& self) {
    keys.value("exit", self.exit);
    keys.value("error", self.error);
  }
};

}  // namespace ilora
