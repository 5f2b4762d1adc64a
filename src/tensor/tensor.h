// A tensor is a view: a pointer, a shape, strides and an element type, passed by value. It owns
// nothing and is never a member of a class that outlives its memory; owners are Buffer (below) and
// Arena.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <string>

#include "base/error.h"
#include "tensor/dtype.h"

namespace ilora {

struct Tensor {
  static constexpr int kMaxRank = 4;

  void* data = nullptr;
  std::array<int64_t, kMaxRank> shape{};
  std::array<int64_t, kMaxRank> stride{};  // in elements
  int rank = 0;
  DType dtype = DType::kF32;

  Tensor() = default;
  // A contiguous view (row-major) of `memory`.
  Tensor(void* memory, DType type, std::initializer_list<int64_t> dims);

  explicit operator bool() const { return data != nullptr; }
  int64_t size() const;  // number of elements
  int64_t bytes() const { return dtype_bytes(dtype, size()); }
  bool contiguous() const;
  std::string describe() const;  // "F32 (64, 576)"

  // The typed pointer; checks the element type.
  template <class T>
  T* ptr() const {
    ILORA_CHECK(DTypeOf<T>::value == dtype, "tensor {} read as another type", describe());
    return static_cast<T*>(data);
  }

  // Rows [begin, end) of the first dimension.
  Tensor rows(int64_t begin, int64_t end) const;
  // Columns [begin, end) of the second dimension of a matrix.
  Tensor columns(int64_t begin, int64_t end) const;
  // A matrix with its two dimensions exchanged.
  Tensor transposed() const;
  // The same elements under another shape; the view must be contiguous.
  Tensor reshaped(std::initializer_list<int64_t> dims) const;
};

// Owned memory, 64-byte aligned, of one tensor. Movable, not copyable.
class Buffer {
 public:
  Buffer() = default;
  Buffer(DType dtype, std::initializer_list<int64_t> dims);  // zeroed
  Tensor view() const { return view_; }
  template <class T>
  T* ptr() const {
    return view_.ptr<T>();
  }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> memory_;
  Tensor view_;
};

}  // namespace ilora
