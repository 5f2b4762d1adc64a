// Operands of tests: matrices whose surroundings are watched.
#pragma once

#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <vector>

#include "base/random.h"
#include "tensor/tensor.h"

namespace ilora::test {

inline double element(const Tensor& t, int64_t offset) {
  if (t.dtype == DType::kF32) return t.ptr<float>()[offset];
  if (t.dtype == DType::kF64) return t.ptr<double>()[offset];
  return static_cast<double>(to_float(t.ptr<BFloat16>()[offset]));
}

inline void set_element(const Tensor& t, int64_t offset, double value) {
  if (t.dtype == DType::kF32) {
    t.ptr<float>()[offset] = static_cast<float>(value);
  } else if (t.dtype == DType::kF64) {
    t.ptr<double>()[offset] = value;
  } else {
    t.ptr<BFloat16>()[offset] = to_bfloat16(static_cast<float>(value));
  }
}

// An owned matrix (or (N,H,Dh) rows) of normal numbers whose first element lies `pad` elements into
// the memory and whose rows are followed by `pad` elements more, all NaN: reading the padding
// spoils a result, writing it is seen.
class Block {
 public:
  Block(DType dtype, std::initializer_list<int64_t> dims, int64_t pad, uint64_t seed,
        double amplitude = 1.0) {
    Tensor dense(nullptr, dtype, dims);
    rows_ = dense.shape[0];
    width_ = rows_ == 0 ? 0 : dense.size() / rows_;
    pad_ = pad;
    memory_ = Buffer(dtype, {pad + rows_ * (width_ + pad)});
    view_ = dense;
    view_.data = static_cast<std::byte*>(memory_.view().data) + dtype_bytes(dtype, pad);
    if (view_.rank > 1) view_.stride[0] = width_ + pad;
    if (view_.rank == 1) ILORA_CHECK(pad == 0, "a padded vector");
    const Random random(seed, Stream::kTest);
    for (int64_t i = 0; i < memory_.view().size(); ++i) {
      set_element(memory_.view(), i, std::numeric_limits<double>::quiet_NaN());
    }
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t c = 0; c < width_; ++c) {
        set(r, c, amplitude * random.normal(static_cast<uint64_t>(r * width_ + c)));
      }
    }
  }
  Block(const Block& other)
      : memory_(other.memory_.view().dtype, {other.memory_.view().size()}),
        view_(other.view_),
        rows_(other.rows_),
        width_(other.width_),
        pad_(other.pad_) {
    const Tensor all = memory_.view();
    std::memcpy(all.data, other.memory_.view().data, static_cast<size_t>(all.bytes()));
    view_.data = static_cast<std::byte*>(all.data) + dtype_bytes(all.dtype, pad_);
  }
  Block& operator=(const Block&) = delete;

  const Tensor& view() const { return view_; }
  int64_t rows() const { return rows_; }
  int64_t width() const { return width_; }
  double at(int64_t row, int64_t column) const {
    return element(view_, row * row_stride() + column);
  }
  void set(int64_t row, int64_t column, double value) {
    set_element(view_, row * row_stride() + column, value);
  }
  void fill_row(int64_t row, double value) {
    for (int64_t c = 0; c < width_; ++c) set(row, c, value);
  }
  // Whether everything outside the view still is NaN.
  bool padding_intact() const {
    const Tensor all = memory_.view();
    for (int64_t i = 0; i < all.size(); ++i) {
      const bool inside = i >= pad_ && (i - pad_) % (width_ + pad_) < width_;
      if (!inside && !std::isnan(element(all, i))) return false;
    }
    return true;
  }

 private:
  int64_t row_stride() const { return width_ + pad_; }

  Buffer memory_;
  Tensor view_;
  int64_t rows_ = 0, width_ = 0, pad_ = 0;
};

// The types that are stored in blocks.
inline constexpr DType kBlockTypes[] = {DType::kQ8_0,  DType::kQ4_0, DType::kQ4_1,   DType::kQ5_0,
                                        DType::kQ5_1,  DType::kQ4_K, DType::kQ5_K,   DType::kQ6_K,
                                        DType::kQ2_K,  DType::kQ3_K, DType::kIQ4_NL, DType::kIQ4_XS,
                                        DType::kTQ1_0, DType::kTQ2_0};

// Random stored elements whose halves are finite, at an odd address.
class StoredBlock {
 public:
  StoredBlock(DType stored, int64_t rows, int64_t columns)
      : memory_(static_cast<size_t>(dtype_bytes(stored, rows * columns)) + 1),
        view_(memory_.data() + 1, stored, {rows, columns}) {
    const Random random(static_cast<uint64_t>(columns), Stream::kTest);
    for (size_t i = 0; i + 1 < memory_.size(); ++i)
      memory_[i + 1] = static_cast<uint8_t>(random.bits(i) & 0xbf);  // no exponent is full
  }
  StoredBlock(const StoredBlock&) = delete;
  Tensor view() const { return view_; }

 private:
  std::vector<uint8_t> memory_;
  Tensor view_;
};

}  // namespace ilora::test
