// anchor: the example of a new method that CONTRIBUTING.md walks through. A quadratic penalty holds
// the adapter near where the previous task left it: the "L2" baseline of Kirkpatrick et al. 2017
// (arXiv 1612.00796), EWC with every parameter equally important. It stores no rows.
//
//   loss = cross-entropy(current rows; w) + strength/2 * |w - w*|^2,   w* = w after the task before
#include "methods/registry.h"

namespace ilora {
namespace {

class Anchor : public Method {
 public:
  void add_options(OptionList& options) override {
    options.add("anchor.strength", &strength_, "weight of the penalty; 0: none",
                {.min = 0, .source = "ours: large enough to be seen on the tests' tiny tasks"});
  }

  void edit_gradient(Run& run) override {
    if (size_ == 0 || strength_ == 0) return;  // the first task has nothing to hold on to
    const Kernels& k = run.kernels();
    const Tensor w = run.fast().values(), anchor = anchor_.view();
    k.axpy(run.gradient(), strength_, w);
    k.axpy(run.gradient(), -strength_, anchor);
    run.report("penalty", 0.5 * strength_ * k.squared_distance(w, anchor));
  }

  void end_task(Run& run) override {
    place(run.fast().layout().size());
    run.kernels().convert(anchor_.view(), run.fast().values());
  }

  void visit(StateVisitor& visitor) override {
    int64_t size = size_;
    visitor.value("anchor.size", size);  // before the vector: loading must know its size
    place(size);
    if (size > 0) visitor.vector("anchor.values", anchor_.view());
  }

 private:
  void place(int64_t size) {
    if (size != size_) anchor_ = Buffer(DType::kF32, {size});
    size_ = size;
  }

  double strength_ = 0.01;
  Buffer anchor_;  // w*
  int64_t size_ = 0;
};

}  // namespace

std::unique_ptr<Method> make_anchor() {
  return std::make_unique<Anchor>();
}

}  // namespace ilora
