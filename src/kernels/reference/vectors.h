// Operations on whole vectors: what adapters, gradients and optimisers are made of.
#pragma once

#include <cmath>

#include "kernels/reference/cells.h"

namespace ilora::reference {

inline void require_alike(const char* op, const Tensor& y, const Tensor& x) {
  ILORA_CHECK(y.size() == x.size(), "{} of {} and {}", op, y.describe(), x.describe());
}

template <class T>
void convert(Tensor y, Tensor x) {
  require_alike("convert", y, x);
  const Cells<T> cy = flat<T>(y), cx = flat<T>(x);
  for (int64_t i = 0; i < y.size(); ++i) cy.set(cx.get(i), i);
}

template <class T>
void add(Tensor y, Tensor x) {
  require_alike("add", y, x);
  const Cells<T> cy = flat<T>(y), cx = flat<T>(x);
  for (int64_t i = 0; i < y.size(); ++i) cy.add(cx.get(i), i);
}

template <class T>
void fill(Tensor y, double value) {
  const Cells<T> cy = flat<T>(y);
  for (int64_t i = 0; i < y.size(); ++i) cy.set(value, i);
}

template <class T>
void scale(Tensor y, double factor) {
  const Cells<T> cy = flat<T>(y);
  for (int64_t i = 0; i < y.size(); ++i) cy.set(factor * cy.get(i), i);
}

template <class T>
void axpy(Tensor y, double factor, Tensor x) {
  require_alike("axpy", y, x);
  const Cells<T> cy = flat<T>(y), cx = flat<T>(x);
  for (int64_t i = 0; i < y.size(); ++i) cy.add(factor * cx.get(i), i);
}

template <class T>
void interpolate(Tensor slow, Tensor fast, double lambda) {
  require_alike("interpolate", slow, fast);
  if (lambda == 1.0) return;
  const Cells<T> cs = flat<T>(slow), cf = flat<T>(fast);
  for (int64_t i = 0; i < slow.size(); ++i) {
    cs.set(lambda == 0.0 ? cf.get(i) : lambda * cs.get(i) + (1.0 - lambda) * cf.get(i), i);
  }
}

template <class T>
double dot(Tensor x, Tensor y) {
  require_alike("dot", x, y);
  const Cells<T> cx = flat<T>(x), cy = flat<T>(y);
  Wide<T> sum = 0;
  for (int64_t i = 0; i < x.size(); ++i) sum += cx.get(i) * cy.get(i);
  return real_part(sum);
}

template <class T>
double squared_distance(Tensor x, Tensor y) {
  require_alike("squared_distance", x, y);
  const Cells<T> cx = flat<T>(x), cy = flat<T>(y);
  Wide<T> sum = 0;
  for (int64_t i = 0; i < x.size(); ++i) {
    const Wide<T> d = cx.get(i) - cy.get(i);
    sum += d * d;
  }
  return real_part(sum);
}

template <class T>
void adamw(Tensor theta, Tensor m, Tensor v, Tensor g, const AdamWStep& s) {
  using std::sqrt;
  for (const Tensor& t : {m, v, g}) require_alike("adamw", theta, t);
  ILORA_CHECK(s.step >= 1, "adamw: step {}", s.step);
  const Cells<T> ct = flat<T>(theta), cm = flat<T>(m), cv = flat<T>(v), cg = flat<T>(g);
  const double correction1 = 1.0 - std::pow(s.beta1, static_cast<double>(s.step));
  const double correction2 = 1.0 - std::pow(s.beta2, static_cast<double>(s.step));
  for (int64_t i = 0; i < theta.size(); ++i) {
    const Wide<T> gradient = cg.get(i);
    const Wide<T> first = s.beta1 * cm.get(i) + (1.0 - s.beta1) * gradient;
    const Wide<T> second = s.beta2 * cv.get(i) + (1.0 - s.beta2) * gradient * gradient;
    const Wide<T> decayed = ct.get(i) * (1.0 - s.learning_rate * s.weight_decay);
    const Wide<T> step = first / correction1 / (sqrt(second / correction2) + s.epsilon);
    ct.set(decayed - s.learning_rate * step, i);
    cm.set(first, i);
    cv.set(second, i);
  }
}

template <class T>
constexpr void install_vectors(Kernels& table) {
  table.convert = convert<T>;
  table.add = add<T>;
  table.fill = fill<T>;
  table.scale = scale<T>;
  table.axpy = axpy<T>;
  table.interpolate = interpolate<T>;
  table.dot = dot<T>;
  table.squared_distance = squared_distance<T>;
  table.adamw = adamw<T>;
}

}  // namespace ilora::reference
