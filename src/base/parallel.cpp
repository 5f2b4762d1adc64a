#include "base/parallel.h"

#include <omp.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>

namespace ilora {

int max_threads() {
  return omp_get_max_threads();
}
void set_threads(int count) {
  omp_set_num_threads(std::max(1, count));
}

bool in_parallel_loop() {
  return omp_in_parallel() != 0;
}

void restart_with_short_waits(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  // GCC's runtime reads it before main(). Sleeping at once costs answers a quarter of their speed.
  constexpr const char* kTurns = "3000";
  if (::setenv("GOMP_SPINCOUNT", kTurns, 1) == 0) ::execv("/proc/self/exe", argv);
}

namespace detail {

void run_on_threads(int threads, void (*body)(void*, int), void* context) {
#pragma omp parallel num_threads(threads)
  body(context, omp_get_thread_num());
}

void run_chunks(int64_t chunks, void (*body)(void*, int64_t), void* context) {
  if (omp_in_parallel()) {
    for (int64_t c = 0; c < chunks; ++c) body(context, c);
    return;
  }
  std::exception_ptr error;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t c = 0; c < chunks; ++c) {
    try {
      body(context, c);
    } catch (...) {
#pragma omp critical(ilora_parallel_error)
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace detail
}  // namespace ilora
