#include "base/parallel.h"

#include <omp.h>

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
