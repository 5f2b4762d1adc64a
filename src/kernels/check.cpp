// Each operation runs the reference on copies of its outputs, which start with the outputs'
// contents (so `+=`, rows left alone and calls in place compare rightly), then the fast table on
// the outputs themselves, and compares.
#include "kernels/check.h"

#include <fmt/ranges.h>

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "kernels/elements.h"
#include "kernels/operations.h"

namespace ilora {

namespace {

// A tensor of its own memory with the same strides and contents, the gaps between rows included.
class Copy {
 public:
  explicit Copy(const Tensor& t) : view_(t) {
    if (t.size() == 0) return;
    int64_t extent = 1;
    for (size_t d = 0; d < static_cast<size_t>(t.rank); ++d)
      extent += (t.shape[d] - 1) * t.stride[d];
    memory_ = Buffer(t.dtype, {extent});
    view_.data = memory_.view().data;
    std::memcpy(view_.data, t.data, static_cast<size_t>(memory_.view().bytes()));
  }
  const Tensor& view() const { return view_; }

 private:
  Buffer memory_;
  Tensor view_;
};

// One checked call: its outputs twice, and what messages say of it.
class Call {
 public:
  Call(const char* name, const Tolerance& tolerance, const Floors& floors, std::string tables)
      : name_(name), tolerance_(tolerance), floors_(floors), tables_(std::move(tables)) {}

  void add_input(const Tensor& t) {
    if (t.dtype == DType::kBF16) input_ = t.dtype;
    inputs_.push_back(t.describe());
  }
  // The copy that the reference writes to.
  Tensor add_output(const Tensor& t) {
    outputs_.push_back(t);
    copies_.emplace_back(t);
    return copies_.back().view();
  }

  void compare_outputs() const {
    for (size_t i = 0; i < outputs_.size(); ++i) compare(i, outputs_[i], copies_[i].view());
  }
  void compare_number(double fast, double reference) const {
    compare(0, Tensor(&fast, DType::kF64, {1}), Tensor(&reference, DType::kF64, {1}));
  }

 private:
  void compare(size_t number, const Tensor& fast, const Tensor& reference) const {
    const double limit =
        tolerance_.of(input_, reference.dtype) * std::max(largest(reference), floors_[number]);
    for_each_element(reference, [&](const auto& index, int64_t offset) {
      const std::complex<double> x = element(fast, offset), y = element(reference, offset);
      if (x == y || (std::isnan(x.real()) && std::isnan(y.real()))) return;
      if (is_finite(x) && is_finite(y) && std::abs(x - y) <= limit) return;
      const auto at = std::span(index).first(static_cast<size_t>(reference.rank));
      throw Error(ErrorKind::kNumeric,
                  fmt::format("[kernel {}] expected {:.9g}, got {:.9g} at ({}) of output {} {}, "
                              "tolerance {:.3g} ({}, inputs {})",
                              name_, y.real(), x.real(), fmt::join(at, ", "), number,
                              reference.describe(), limit, tables_, fmt::join(inputs_, ", ")),
                  "a bug of the kernels; run with the reference kernels to go on without them");
    });
  }

  const char* name_;
  Tolerance tolerance_;
  Floors floors_;
  std::string tables_;
  std::vector<std::string> inputs_;
  DType input_ = DType::kF32;  // BF16 where any input is
  std::vector<Tensor> outputs_;
  std::vector<Copy> copies_;
};

}  // namespace

template <class R, class... Args, Op<R(Args...)> Kernels::*kMember>
struct CheckedKernels::Checked<kMember> {
  static R call(const CheckedKernels& self, Args... args) {
    const Operation<kMember>& row = operation<kMember>();
    Call call(row.name, row.tolerance, row.floors(args...),
              fmt::format("{} against {}", self.fast_.name, self.reference_.name));
    std::tuple<Args...> with_copies(args...);
    size_t position = 0;
    std::apply([&](auto&... argument) { (divide(call, row.outputs, position++, argument), ...); },
               with_copies);
    // The reference goes first: `fast` may overwrite inputs in place.
    if constexpr (std::is_void_v<R>) {
      std::apply(self.reference_.*kMember, with_copies);
      (self.fast_.*kMember)(args...);
      call.compare_outputs();
    } else {
      const R reference = std::apply(self.reference_.*kMember, with_copies);
      const R fast = (self.fast_.*kMember)(args...);
      call.compare_number(fast, reference);
      return fast;
    }
  }

  // An output is replaced by its copy.
  static void divide(Call& call, const Outputs& outputs, size_t position, Tensor& t) {
    if (outputs.contains(position)) {
      t = call.add_output(t);
    } else {
      call.add_input(t);
    }
  }
  template <class T>
  static void divide(Call&, const Outputs&, size_t, const T&) {}  // no tensor
};

CheckedKernels::CheckedKernels(const Kernels& fast, const Kernels& reference)
    : fast_(fast), reference_(reference) {
  ILORA_CHECK(fast.state == reference.state, "{} has another state type than {}", fast.name,
              reference.name);
  table_.name = "check";
  table_.state = fast.state;
  for_each_operation([&]<auto kMember>(const Operation<kMember>&) {
    (table_.*kMember).template bind<Checked<kMember>::call>(*this);
  });
}

}  // namespace ilora
