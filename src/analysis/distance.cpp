#include "analysis/distance.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "analysis/factors.h"
#include "base/error.h"
#include "base/parallel.h"

namespace ilora {
namespace {

// <x,y>, |x|^2, |y|^2 and |x-y|^2 of a block; sums over blocks give those of the adapter.
struct Moments {
  double dot = 0, x = 0, y = 0, difference = 0;

  void add(const Moments& other) {
    dot += other.dot;
    x += other.x;
    y += other.y;
    difference += other.difference;
  }
  Closeness closeness() const {
    const double norms = std::sqrt(x) * std::sqrt(y);
    return {std::sqrt(difference),
            norms > 0 ? dot / norms : std::numeric_limits<double>::quiet_NaN()};
  }
};

Moments of_factors(const Factors& p, const Factors& q) {
  return {p.a.cwiseProduct(q.a).sum() + p.b.cwiseProduct(q.b).sum(),
          p.a.squaredNorm() + p.b.squaredNorm(), q.a.squaredNorm() + q.b.squaredNorm(),
          (p.a - q.a).squaredNorm() + (p.b - q.b).squaredNorm()};
}

// The difference by its own factors: |x|^2 + |y|^2 - 2<x,y> would lose close ones to rounding.
Moments of_products(const Factors& p, const Factors& q) {
  const double x = product_norm(p), y = product_norm(q);
  const double difference = product_norm(weighted_sum(1, p, -1, q));
  return {product_dot(p, q), x * x, y * y, difference * difference};
}

void require_blocks(const Adapter& adapter) {
  if (!adapter.layout().blocks().empty()) return;
  throw Error(ErrorKind::kUnsupported, "[analyze] the adapter has soft prompts only, no LoRA",
              "Distances and subspaces are those of LoRA's updates; `path` works for any adapter.");
}

std::vector<double> degrees(const Eigen::VectorXd& angles) {
  std::vector<double> list;
  for (const double angle : angles) list.push_back(angle * 180 / std::numbers::pi);
  return list;
}

double overlap(const Eigen::VectorXd& angles) {
  return angles.size() > 0 ? angles.array().cos().square().mean()
                           : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

AdapterCloseness closeness(const Adapter& a, const Adapter& b) {
  require_blocks(a);
  AdapterCloseness result;
  Moments factors, products;
  for (const LoraBlock& block : a.layout().blocks()) {
    // Factors as they are stored: the scale belongs to the product.
    const Moments f =
        of_factors(factors_of(a.values(), block, 1.0), factors_of(b.values(), block, 1.0));
    const Moments p = of_products(factors_of(a.values(), block, a.scaling()),
                                  factors_of(b.values(), block, b.scaling()));
    factors.add(f);
    products.add(p);
    result.blocks.push_back({block, f.closeness(), p.closeness()});
  }
  result.factors = factors.closeness();
  result.products = products.closeness();
  return result;
}

std::vector<BlockAngles> subspace_angles(const Adapter& a, const Adapter& b) {
  require_blocks(a);
  const auto& blocks = a.layout().blocks();
  std::vector<BlockAngles> result(blocks.size());
  parallel_for(static_cast<int64_t>(blocks.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const LoraBlock& block = blocks[static_cast<size_t>(i)];
      const ProductSvd x = product_svd(factors_of(a.values(), block, a.scaling()));
      const ProductSvd y = product_svd(factors_of(b.values(), block, b.scaling()));
      BlockAngles& angles = result[static_cast<size_t>(i)];
      angles.block = block;
      Eigen::VectorXd input, output;
      if (x.s.size() > 0 && x.s[0] > 0 && y.s[0] > 0) {
        input = principal_angles(input_basis(x), input_basis(y));
        output = principal_angles(output_basis(x), output_basis(y));
      }
      angles.input = degrees(input);
      angles.output = degrees(output);
      angles.input_overlap = overlap(input);
      angles.output_overlap = overlap(output);
    }
  });
  return result;
}

}  // namespace ilora
