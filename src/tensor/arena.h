// Measure, then place: all tensors of a pass in one block of memory.
//
// A pass asks for its tensors by name twice, with the same calls: first to measure, then to place.
// The block grows only when a pass needs more than any before it, so a pass that fits allocates
// nothing. Callers: model/engine, model/activations; train/memory_plan reads entries().
//
//   arena.lay_out([&](Arena& a) {
//     q = a.take("q", DType::kF32, {n, h, dh});
//     const size_t scratch = a.mark();
//     tmp = a.take("tmp", DType::kF32, {n, f});
//     a.rewind(scratch);  // what follows may share tmp's memory
//   });
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <vector>

#include "tensor/tensor.h"

namespace ilora {

class Arena {
 public:
  static constexpr size_t kAlign = 64;  // of every tensor: a cache line, and the widest vector

  struct Entry {
    const char* name;  // as given to take(): a literal, kept as a pointer
    int64_t bytes;
    size_t offset;
  };

  // Starts measuring: take() returns tensors without memory. Tensors placed earlier lose theirs.
  void begin();
  // Ends measuring: makes the block large enough; take() now places, and expects the same calls
  // again. Throws std::bad_alloc where the memory cannot be had.
  void commit();
  // begin, layout(*this), commit, layout(*this).
  template <class Layout>
  void lay_out(Layout&& layout) {
    begin();
    layout(*this);
    commit();
    layout(*this);
    ILORA_CHECK(next_ == entries_.size(), "{} of {} tensors placed", next_, entries_.size());
  }

  // A contiguous tensor; its memory is not cleared. `name` must be a literal.
  Tensor take(const char* name, DType dtype, std::initializer_list<int64_t> dims);

  // Stack order: what was taken since mark() is given up by rewind(), its memory used again by what
  // follows.
  size_t mark() const { return offset_; }
  void rewind(size_t mark);

  size_t bytes() const { return peak_; }         // what this layout needs
  size_t capacity() const { return capacity_; }  // what the block holds
  // Every tensor in the order of the calls; with rewind() their sum may exceed bytes().
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> block_;
  std::vector<Entry> entries_;
  size_t capacity_ = 0;
  size_t peak_ = 0;
  size_t offset_ = 0;
  size_t next_ = 0;  // the entry the next take() must match while placing
  bool measuring_ = true;
};

}  // namespace ilora
