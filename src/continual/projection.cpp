#include "continual/projection.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace ilora {
namespace {

// Of unit vectors: products below this are zero, and so is the squared distance of one vector from
// the span of others.
constexpr double kZero = 1e-12;

// min_u 1/2 u'Pu + q'u, u >= 0.
class ActiveSet {
 public:
  ActiveSet(std::span<const double> p, std::vector<double> q)
      : n_(q.size()), p_(p), q_(std::move(q)), u_(n_, 0.0), refused_(n_, false) {}

  std::vector<double> solve() {
    // Each round lowers the objective, so no set of free variables comes twice; the bound is for
    // rounding.
    const size_t most = 100 * (n_ + 1);
    size_t round = 0;
    for (size_t j = steepest(); j < n_ && round < most; j = steepest(), ++round) {
      free_.push_back(j);
      if (!descend())
        refused_[j] = true;
      else
        refused_.assign(n_, false);
    }
    return u_;
  }

 private:
  double slope(size_t i) const {
    double sum = q_[i];
    for (size_t j = 0; j < n_; ++j) sum += p_[i * n_ + j] * u_[j];
    return sum;
  }

  // The variable at its bound along which the objective falls most; n where none does.
  size_t steepest() const {
    size_t best = n_;
    double lowest = -kZero;
    for (size_t i = 0; i < n_; ++i) {
      if (refused_[i] || std::find(free_.begin(), free_.end(), i) != free_.end()) continue;
      if (const double s = slope(i); s < lowest) {
        lowest = s;
        best = i;
      }
    }
    return best;
  }

  // Moves to the minimum over the free variables, giving up those that would turn negative on the
  // way. False, with nothing changed, where the newest one leads nowhere: it lies in the span of
  // the others, or does not rise.
  bool descend() {
    for (bool first = true;; first = false) {
      std::vector<double> target;
      if (!minimise(target) || (first && target.back() <= 0)) {
        ILORA_CHECK(first, "a part of a regular matrix is singular");
        free_.pop_back();
        return false;
      }
      // How far each goes until it is zero; all the way, where none would turn negative.
      std::vector<double> reach(free_.size(), 1.0);
      for (size_t k = 0; k < free_.size(); ++k) {
        const double u = u_[free_[k]];
        if (target[k] <= 0) reach[k] = u > 0 ? u / (u - target[k]) : 0.0;
      }
      const double step = *std::min_element(reach.begin(), reach.end());
      std::vector<size_t> left;
      for (size_t k = 0; k < free_.size(); ++k) {
        double& u = u_[free_[k]];
        const bool stops = target[k] <= 0 && reach[k] <= step;
        u = stops ? 0.0 : u + step * (target[k] - u);
        if (!stops) left.push_back(free_[k]);
      }
      if (left.size() == free_.size()) return true;
      free_ = left;
    }
  }

  // P x = -q over the free variables, by Cholesky's factors; false where P is singular there.
  bool minimise(std::vector<double>& x) const {
    const size_t m = free_.size();
    std::vector<double> l(m * m, 0.0);
    x.assign(m, 0.0);
    for (size_t i = 0; i < m; ++i) {
      for (size_t j = 0; j <= i; ++j) {
        double sum = p_[free_[i] * n_ + free_[j]];
        for (size_t k = 0; k < j; ++k) sum -= l[i * m + k] * l[j * m + k];
        if (i != j) {
          l[i * m + j] = sum / l[j * m + j];
        } else {
          if (sum <= kZero) return false;
          l[i * m + i] = std::sqrt(sum);
        }
      }
    }
    for (size_t i = 0; i < m; ++i) {
      double sum = -q_[free_[i]];
      for (size_t k = 0; k < i; ++k) sum -= l[i * m + k] * x[k];
      x[i] = sum / l[i * m + i];
    }
    for (size_t i = m; i-- > 0;) {
      double sum = x[i];
      for (size_t k = i + 1; k < m; ++k) sum -= l[k * m + i] * x[k];
      x[i] = sum / l[i * m + i];
    }
    return true;
  }

  size_t n_;
  std::span<const double> p_;
  std::vector<double> q_, u_;
  std::vector<size_t> free_;
  std::vector<bool> refused_;
};

}  // namespace

std::vector<double> solve_dual(std::span<const double> gram, std::span<const double> q,
                               std::span<const double> lower) {
  const size_t n = q.size();
  ILORA_CHECK(gram.size() == n * n && lower.size() == n, "a dual of {} variables", n);
  // v = lower + u
  std::vector<double> shifted(q.begin(), q.end());
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) shifted[i] += gram[i * n + j] * lower[j];
  }
  std::vector<double> v = ActiveSet(gram, std::move(shifted)).solve();
  for (size_t i = 0; i < n; ++i) v[i] += lower[i];
  return v;
}

Projected project_gem(const Kernels& kernels, Tensor gradient, std::span<const Tensor> memory,
                      double margin) {
  Projected result;
  const double length = std::sqrt(kernels.dot(gradient, gradient));
  // Vectors of length one, so that the dual's tolerances have no unit; vectors that are zero
  // constrain nothing.
  std::vector<Tensor> used;
  std::vector<double> lengths, q;
  for (const Tensor& g : memory) {
    const double own = std::sqrt(kernels.dot(g, g));
    if (own == 0 || length == 0) continue;
    used.push_back(g);
    lengths.push_back(own);
    q.push_back(kernels.dot(gradient, g) / (own * length));
    result.cosine = std::min(result.cosine, q.back());
    if (q.back() < 0) ++result.violated;
  }
  if (result.violated == 0) return result;

  const size_t n = used.size();
  std::vector<double> gram(n * n), lower(n);
  for (size_t i = 0; i < n; ++i) {
    lower[i] = margin * lengths[i] / length;
    for (size_t j = 0; j <= i; ++j)
      gram[i * n + j] = gram[j * n + i] = kernels.dot(used[i], used[j]) / (lengths[i] * lengths[j]);
  }
  const std::vector<double> v = solve_dual(gram, q, lower);
  double squared = 0;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) squared += v[i] * gram[i * n + j] * v[j];
    if (v[i] != 0) kernels.axpy(gradient, v[i] * length / lengths[i], used[i]);
  }
  result.moved = std::sqrt(std::max(squared, 0.0));
  return result;
}

Projected project_agem(const Kernels& kernels, Tensor gradient, Tensor reference) {
  Projected result;
  const double length = std::sqrt(kernels.dot(gradient, gradient)),
               own = std::sqrt(kernels.dot(reference, reference));
  if (length == 0 || own == 0) return result;
  const double product = kernels.dot(gradient, reference);
  result.cosine = product / (length * own);
  if (product >= 0) return result;
  kernels.axpy(gradient, -product / (own * own), reference);
  result.violated = 1;
  result.moved = -result.cosine;
  return result;
}

void RawGradient::keep(const Kernels& kernels, Tensor gradient) {
  if (!wanted()) return;
  if (!raw_.view()) raw_ = Buffer(DType::kF32, {gradient.size()});
  kernels.convert(raw_.view(), gradient);
}

}  // namespace ilora
