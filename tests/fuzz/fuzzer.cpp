// libFuzzer's entry. One program for all readers: the environment's ILORA_FUZZ names one.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "tests/fuzz/targets.h"

namespace {

const ilora::fuzz::Target* chosen = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("ILORA_FUZZ");
  for (const ilora::fuzz::Target& target : ilora::fuzz::targets()) {
    if (name != nullptr && std::strcmp(name, target.name) == 0) chosen = &target;
    if (name == nullptr) std::puts(target.name);
  }
  if (chosen == nullptr) std::exit(2);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    ilora::fuzz::try_read(*chosen, {reinterpret_cast<const char*>(data), size});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "finding: %s\n", e.what());
    std::abort();
  }
  return 0;
}
