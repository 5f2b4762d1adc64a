// What an error says, for tests of refusals.
#pragma once

#include <string>

#include "base/error.h"

namespace ilora::test {

// Message and hint of the error that `work` throws, else "nothing".
template <class Work>
std::string told(Work&& work) {
  try {
    work();
  } catch (const Error& e) {
    return std::string(e.what()) + " " + e.hint();
  }
  return "nothing";
}

}  // namespace ilora::test
