#include "tensor/arena.h"

#include <algorithm>

#include "base/memory.h"

namespace ilora {

void Arena::begin() {
  entries_.clear();  // keeps its memory: a layout of as many tensors allocates nothing
  measuring_ = true;
  peak_ = offset_ = next_ = 0;
}

void Arena::commit() {
  ILORA_CHECK(measuring_, "commit() without begin()");
  measuring_ = false;
  offset_ = next_ = 0;
  if (peak_ <= capacity_) return;
  block_.reset();  // before the larger one is made: the two never exist together
  capacity_ = 0;
  if (peak_ > 0) block_.reset(static_cast<std::byte*>(allocate_aligned(peak_)));
  capacity_ = peak_;
}

Tensor Arena::take(const char* name, DType dtype, std::initializer_list<int64_t> dims) {
  Tensor tensor(nullptr, dtype, dims);
  const int64_t bytes = tensor.bytes();
  ILORA_CHECK(bytes >= 0, "{} {}", name, tensor.describe());
  if (measuring_) {
    entries_.push_back({name, bytes, offset_});
  } else {
    ILORA_CHECK(next_ < entries_.size(), "{} was not measured", name);
    const Entry& measured = entries_[next_++];
    ILORA_CHECK(measured.bytes == bytes && measured.offset == offset_,
                "{} ({} bytes at {}) was measured as {} ({} bytes at {})", name, bytes, offset_,
                measured.name, measured.bytes, measured.offset);
    if (bytes > 0) tensor.data = block_.get() + offset_;
  }
  offset_ += (static_cast<size_t>(bytes) + kAlign - 1) / kAlign * kAlign;
  peak_ = std::max(peak_, offset_);
  return tensor;
}

void Arena::rewind(size_t mark) {
  ILORA_CHECK(mark <= offset_, "rewind to {} from {}", mark, offset_);
  offset_ = mark;
}

}  // namespace ilora
