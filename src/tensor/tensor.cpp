#include "tensor/tensor.h"

#include <cstring>

#include "base/memory.h"

namespace ilora {

Tensor::Tensor(void* memory, DType type, std::initializer_list<int64_t> dims)
    : data(memory), dtype(type) {
  ILORA_CHECK(dims.size() <= kMaxRank);
  rank = static_cast<int>(dims.size());
  std::copy(dims.begin(), dims.end(), shape.begin());
  int64_t step = 1;
  for (int i = rank - 1; i >= 0; --i) {
    stride[static_cast<size_t>(i)] = step;
    step *= shape[static_cast<size_t>(i)];
  }
}

int64_t Tensor::size() const {
  int64_t n = rank == 0 ? 0 : 1;
  for (int i = 0; i < rank; ++i) n *= shape[static_cast<size_t>(i)];
  return n;
}

bool Tensor::contiguous() const {
  int64_t step = 1;
  for (int i = rank - 1; i >= 0; --i) {
    const auto d = static_cast<size_t>(i);
    if (shape[d] != 1 && stride[d] != step) return false;
    step *= shape[d];
  }
  return true;
}

std::string Tensor::describe() const {
  std::string text = std::string(dtype_name(dtype)) + " (";
  for (int i = 0; i < rank; ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[static_cast<size_t>(i)]);
  }
  return text + ")";
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  ILORA_CHECK(rank >= 1 && begin >= 0 && begin <= end && end <= shape[0], "rows {}..{} of {}",
              begin, end, describe());
  Tensor view = *this;
  view.data = static_cast<std::byte*>(data) + dtype_bytes(dtype, begin * stride[0]);
  view.shape[0] = end - begin;
  return view;
}

Tensor Tensor::columns(int64_t begin, int64_t end) const {
  ILORA_CHECK(rank == 2 && begin >= 0 && begin <= end && end <= shape[1], "columns {}..{} of {}",
              begin, end, describe());
  Tensor view = *this;
  view.data = static_cast<std::byte*>(data) + dtype_bytes(dtype, begin * stride[1]);
  view.shape[1] = end - begin;
  return view;
}

Tensor Tensor::transposed() const {
  ILORA_CHECK(rank == 2);
  Tensor view = *this;
  std::swap(view.shape[0], view.shape[1]);
  std::swap(view.stride[0], view.stride[1]);
  return view;
}

Tensor Tensor::reshaped(std::initializer_list<int64_t> dims) const {
  ILORA_CHECK(contiguous(), "reshape of a strided view {}", describe());
  const Tensor view(data, dtype, dims);
  ILORA_CHECK(view.size() == size(), "reshape of {} to {}", describe(), view.describe());
  return view;
}

Buffer::Buffer(DType dtype, std::initializer_list<int64_t> dims) : view_(nullptr, dtype, dims) {
  const auto bytes = static_cast<size_t>(view_.bytes());
  if (bytes == 0) return;
  memory_.reset(allocate_aligned(bytes));
  std::memset(memory_.get(), 0, bytes);
  view_.data = memory_.get();
}

}  // namespace ilora
