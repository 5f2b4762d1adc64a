#include "analysis/directions.h"

#include <Eigen/Core>
#include <Eigen/Dense>
#include <cmath>

namespace ilora {
namespace {

using Eigen::VectorXd;
using ConstMap = Eigen::Map<const VectorXd>;

ConstMap map(std::span<const double> x) {
  return {x.data(), static_cast<Eigen::Index>(x.size())};
}
VectorXd widened(std::span<const float> x) {
  return Eigen::Map<const Eigen::VectorXf>(x.data(), static_cast<Eigen::Index>(x.size()))
      .cast<double>();
}
std::vector<double> listed(const VectorXd& x) {
  return {x.data(), x.data() + x.size()};
}

// Coordinates (x,y) of the foot of a difference from the origin.
Eigen::Vector2d foot(const Plane& plane, const VectorXd& difference) {
  const auto e1 = map(plane.e1), e2 = map(plane.e2);
  Eigen::Matrix2d gram;
  gram << e1.squaredNorm(), e1.dot(e2), e1.dot(e2), e2.squaredNorm();
  return gram.ldlt().solve(Eigen::Vector2d(e1.dot(difference), e2.dot(difference)));
}

VectorXd in_plane(const Plane& plane, const VectorXd& difference) {
  const Eigen::Vector2d at = foot(plane, difference);
  return at[0] * map(plane.e1) + at[1] * map(plane.e2);
}

}  // namespace

void normalise_filters(std::span<double> direction, const AdapterLayout& layout, Tensor values) {
  const auto* w = values.ptr<float>();
  // One filter: `count` elements from `first`, `stride` apart.
  const auto scale = [&](int64_t first, int64_t count, int64_t stride) {
    double of_direction = 0, of_values = 0;
    for (int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<size_t>(first + i * stride);
      of_direction += direction[at] * direction[at];
      of_values += static_cast<double>(w[at]) * static_cast<double>(w[at]);
    }
    const double factor = of_direction > 0 ? std::sqrt(of_values / of_direction) : 0.0;
    for (int64_t i = 0; i < count; ++i)
      direction[static_cast<size_t>(first + i * stride)] *= factor;
  };
  for (const LoraBlock& b : layout.blocks()) {
    for (int64_t r = 0; r < b.rank; ++r) scale(b.offset_a + r * b.in, b.in, 1);
    for (int64_t o = 0; o < b.out; ++o) scale(b.offset_bt + o, b.rank, b.out);
  }
  const int64_t width = layout.width();
  for (int64_t at = layout.offset_prompts(); at < layout.size(); at += width) scale(at, width, 1);
}

std::vector<double> filter_normalised_direction(const AdapterLayout& layout, Tensor values,
                                                const Random& random) {
  std::vector<double> direction(static_cast<size_t>(layout.size()));
  for (size_t i = 0; i < direction.size(); ++i) direction[i] = random.normal(i);
  normalise_filters(direction, layout, values);
  return direction;
}

void Plane::point(Tensor values, double x, double y) const {
  auto* out = values.ptr<float>();
  for (size_t i = 0; i < origin.size(); ++i)
    out[i] = static_cast<float>(origin[i] + x * e1[i] + y * e2[i]);
}

Plane plane_through(std::span<const float> a, std::span<const float> b, std::span<const float> c) {
  const VectorXd origin = widened(a), u = widened(b) - origin, v = widened(c) - origin;
  const VectorXd e1 = u.normalized();
  VectorXd rest = v - e1.dot(v) * e1;
  rest -= e1.dot(rest) * e1;  // once more: the first difference may cancel
  if (u.norm() == 0 || rest.norm() <= 1e-7 * v.norm()) {
    throw Error(ErrorKind::kData, "[analyze] the three adapters lie on one line",
                "Name three that differ (--through), or use --directions random.");
  }
  return {listed(origin), listed(e1), listed(rest.normalized())};
}

Projection project(const Plane& plane, std::span<const float> point) {
  const VectorXd difference = widened(point) - map(plane.origin);
  const Eigen::Vector2d at = foot(plane, difference);
  return {at[0], at[1], (difference - in_plane(plane, difference)).norm()};
}

double variance_share(const Plane& plane, const std::vector<std::span<const float>>& points) {
  if (points.empty()) return 1;
  VectorXd mean = VectorXd::Zero(static_cast<Eigen::Index>(plane.origin.size()));
  for (const auto& p : points) mean += widened(p) / static_cast<double>(points.size());
  double within = 0, all = 0;
  for (const auto& p : points) {
    const VectorXd difference = widened(p) - mean;
    all += difference.squaredNorm();
    within += in_plane(plane, difference).squaredNorm();
  }
  return all > 0 ? within / all : 1;
}

}  // namespace ilora
