#include "base/denormals.h"

#include "base/parallel.h"

namespace ilora {
namespace {

#if defined(__SSE2__)
constexpr bool kHasMode = true;
constexpr uint64_t kFlush = 0x8040;  // flush to zero, denormals are zero

uint64_t control_word() {
  return __builtin_ia32_stmxcsr();
}
void set_control_word(uint64_t word) {
  __builtin_ia32_ldmxcsr(static_cast<unsigned>(word));
}
#elif defined(__aarch64__)
constexpr bool kHasMode = true;
constexpr uint64_t kFlush = uint64_t{1} << 24;  // FZ

uint64_t control_word() {
  uint64_t word;
  asm volatile("mrs %0, fpcr" : "=r"(word));
  return word;
}
void set_control_word(uint64_t word) {
  asm volatile("msr fpcr, %0" ::"r"(word));
}
#else
constexpr bool kHasMode = false;
constexpr uint64_t kFlush = 0;

uint64_t control_word() {
  return 0;
}
void set_control_word(uint64_t) {}
#endif

thread_local bool held = false;

}  // namespace

FlushDenormals::FlushDenormals() {
  if (!kHasMode || held || in_parallel_loop()) return;
  held = true;
  before_.resize(static_cast<size_t>(max_threads()));
  on_each_thread(max_threads(), [&](int thread) {
    const uint64_t word = control_word();
    before_[static_cast<size_t>(thread)] = word;
    set_control_word(word | kFlush);
  });
  // Clang's OpenMP gives the caller back, at a loop's end, the word that it came with, and gives the
  // caller's to all threads as a loop begins.
  set_control_word(before_[0] | kFlush);
}

FlushDenormals::~FlushDenormals() {
  if (before_.empty()) return;
  on_each_thread(static_cast<int>(before_.size()),
                 [&](int thread) { set_control_word(before_[static_cast<size_t>(thread)]); });
  set_control_word(before_[0]);
  held = false;
}

}  // namespace ilora
