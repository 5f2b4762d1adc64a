#include "continual/quadratic_merge.h"

#include <algorithm>

namespace ilora {
namespace {

// v + a (to - v) in place, of values [begin, end).
void go(Tensor to, Tensor before, int64_t begin, int64_t end, double a) {
  float* x = to.ptr<float>();
  const float* v = before.ptr<float>();
  for (int64_t i = begin; i < end; ++i)
    x[i] =
        static_cast<float>(a * static_cast<double>(x[i]) + (1.0 - a) * static_cast<double>(v[i]));
}

}  // namespace

void QuadraticMerge::place(int64_t size) {
  if (information_.view()) return;
  information_ = Buffer(DType::kF32, {size});
  weighted_ = Buffer(DType::kF32, {size});
}

void QuadraticMerge::add(Tensor fisher, Tensor values) {
  place(values.size());
  float *s = information_.view().ptr<float>(), *r = weighted_.view().ptr<float>();
  const float *f = fisher.ptr<float>(), *w = values.ptr<float>();
  for (int64_t i = 0; i < values.size(); ++i) {
    s[i] += f[i];
    r[i] += f[i] * w[i];
  }
  ++tasks_;
}

double QuadraticMerge::coefficient(Tensor values, Tensor before, int64_t begin, int64_t end) const {
  const float *s = information_.view().ptr<float>(), *r = weighted_.view().ptr<float>();
  const float *x = values.ptr<float>(), *v = before.ptr<float>();
  double above = 0, below = 0;
  for (int64_t i = begin; i < end; ++i) {
    const auto si = static_cast<double>(s[i]), vi = static_cast<double>(v[i]);
    const double d = static_cast<double>(x[i]) - vi;
    above += d * (static_cast<double>(r[i]) - si * vi);
    below += d * si * d;
  }
  return below > 0 ? std::clamp(above / below, 0.0, 1.0) : 1.0;
}

void QuadraticMerge::merge(Tensor to, Tensor before, std::span<const LoraBlock> maps) {
  if (tasks_ <= 1) return;
  if (maps.empty()) {
    share_ = coefficient(to, before, 0, to.size());
    go(to, before, 0, to.size(), share_);
    return;
  }
  share_ = 0;
  for (const LoraBlock& map : maps) {
    const int64_t end = map.offset_bt + map.rank * map.out;  // A's rows, and right behind them B's
    const double a = coefficient(to, before, map.offset_a, end);
    go(to, before, map.offset_a, end, a);
    share_ += a / static_cast<double>(maps.size());
  }
}

void QuadraticMerge::visit(StateVisitor& visitor, const std::string& name) {
  int64_t size = information_.view() ? information_.view().size() : 0;
  visitor.value(name + ".tasks", tasks_);
  visitor.value(name + ".share", share_);
  visitor.count(name + ".size", size);
  if (size == 0) return;
  place(size);
  visitor.vector(name + ".information", information_.view());
  visitor.vector(name + ".weighted", weighted_.view());
}

}  // namespace ilora
