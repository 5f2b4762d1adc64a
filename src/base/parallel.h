// Parallel loops over OpenMP's pool, the same that oneDNN uses: one pool, never oversubscribed. A
// thread of the program's own that runs loops has a pool and a thread count of its own.
//
// Work is cut into chunks of a constant size, so what a chunk computes does not depend on the
// thread count; a reduction writes one partial result per chunk and adds them in order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "base/error.h"

namespace ilora {

// How many threads the loops of the calling thread use, itself included.
int max_threads();
void set_threads(int count);  // count >= 1

// Another count while it lives, for the thread that made it; 0: as it was.
class ScopedThreads {
 public:
  explicit ScopedThreads(int64_t count) : before_(max_threads()) {
    if (count > 0) set_threads(static_cast<int>(count));
  }
  ~ScopedThreads() { set_threads(before_); }
  ScopedThreads(const ScopedThreads&) = delete;
  ScopedThreads& operator=(const ScopedThreads&) = delete;

 private:
  int before_;
};

// Starts the program once more, with the same arguments and process, in an environment that lets
// OpenMP's idle threads sleep after some microseconds: left alone they spin for milliseconds, which
// beside another program is what everybody waits for. Returns where the environment says already how
// threads wait (OMP_WAIT_POLICY, GOMP_SPINCOUNT), or where the program cannot be started.
void restart_with_short_waits(char** argv);

namespace detail {
void run_chunks(int64_t chunks, void (*body)(void*, int64_t), void* context);
void run_on_threads(int threads, void (*body)(void*, int), void* context);
}  // namespace detail

// Whether the calling code is a part of a parallel loop.
bool in_parallel_loop();

// Calls body(t) once on each of the `threads` threads that a loop of the calling thread would have,
// t from 0. Only outside parallel loops; body does not throw.
template <class Body>
void on_each_thread(int threads, Body&& body) {
  using Called = std::remove_reference_t<Body>;
  detail::run_on_threads(
      threads, [](void* context, int t) { (*static_cast<Called*>(context))(t); }, &body);
}

// Calls body(begin, end) for consecutive chunks of [0, count), in parallel. An exception of a chunk
// is rethrown here. Inside another parallel loop it runs serially.
template <class Body>
void parallel_for(int64_t count, int64_t chunk, Body&& body) {
  ILORA_CHECK(chunk > 0);
  if (count <= 0) return;
  const int64_t chunks = (count + chunk - 1) / chunk;
  auto run = [&](int64_t c) { body(c * chunk, std::min(count, (c + 1) * chunk)); };
  if (chunks == 1) {
    run(0);
    return;
  }
  using Chunk = decltype(run);
  detail::run_chunks(
      chunks, [](void* context, int64_t c) { (*static_cast<Chunk*>(context))(c); }, &run);
}

}  // namespace ilora
