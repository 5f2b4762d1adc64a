// Directions and planes in the space of an adapter's flat vector.
//
// Called by `ilora analyze plane`; reference values: tests/golden/make_analysis.py.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "model/adapter.h"

namespace ilora {

// A normal random direction scaled filter by filter to the values' own length (Li et al. 2018,
// "Visualizing the loss landscape of neural nets", section 4): a filter is what makes one output: a
// row of A (in), a row of B (R). Filters of zeros stay where they are. Soft prompts: a row each.
std::vector<double> filter_normalised_direction(const AdapterLayout& layout, Tensor values,
                                                const Random& random);
// The scaling alone, of any direction, in place.
void normalise_filters(std::span<double> direction, const AdapterLayout& layout, Tensor values);

// A plane: origin + x * e1 + y * e2, the two of length 1 and orthogonal unless they are random
// directions.
struct Plane {
  std::vector<double> origin, e1, e2;

  void point(Tensor values, double x, double y) const;  // writes float32
};

// Through three points: the first is the origin, the second lies on the first axis, the third has
// y >= 0 (Garipov et al. 2018, appendix). Throws Error(kData) where the three lie on one line.
Plane plane_through(std::span<const float> a, std::span<const float> b, std::span<const float> c);

// Where a point's foot lies in the plane (least squares), and how far the point is from it.
struct Projection {
  double x = 0, y = 0, distance = 0;
};
Projection project(const Plane& plane, std::span<const float> point);

// Of the points' variance about their mean, the share within the plane's directions; 1 for less
// than two different points.
double variance_share(const Plane& plane, const std::vector<std::span<const float>>& points);

}  // namespace ilora
