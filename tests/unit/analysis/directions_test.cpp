// Filter-normalised directions and planes against NumPy.
#include "analysis/directions.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/analysis/reference.h"

namespace ilora {
namespace {

using testing::analysis_reference;

// One block: A (2,4), B (3,2).
Adapter one_block(const std::vector<double>& values) {
  ModelConfig c;
  c.layers = c.heads = c.kv_heads = 1;
  c.width = 4;
  c.head_dim = 3;
  LoraOptions options;
  options.rank = 2;
  options.targets = {"k_proj"};
  Adapter adapter(c, options);
  EXPECT_EQ(adapter.layout().size(), static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i)
    adapter.values().ptr<float>()[i] = static_cast<float>(values[i]);
  return adapter;
}

TEST(FilterNormalisation, GivesEveryFilterTheLengthOfTheValuesFilter) {
  const Json json = analysis_reference("directions");
  const Adapter adapter = one_block(json.at("values").get<std::vector<double>>());
  auto direction = json.at("direction").get<std::vector<double>>();
  normalise_filters(direction, adapter.layout(), adapter.values());
  const auto expected = json.at("normalised").get<std::vector<double>>();
  for (size_t i = 0; i < direction.size(); ++i)
    EXPECT_NEAR(direction[i], expected[i], 1e-6) << i;  // the values are float32
}

TEST(FilterNormalisation, ARandomDirectionIsAsLongAsTheValues) {
  const Json json = analysis_reference("directions");
  const Adapter adapter = one_block(json.at("values").get<std::vector<double>>());
  const auto d =
      filter_normalised_direction(adapter.layout(), adapter.values(), Random(1, Stream::kTest));
  double of_direction = 0, of_values = 0;
  for (size_t i = 0; i < d.size(); ++i) {
    of_direction += d[i] * d[i];
    const double v = static_cast<double>(adapter.values().ptr<float>()[i]);
    of_values += v * v;
  }
  EXPECT_NEAR(of_direction, of_values, 1e-6);
}

std::vector<std::vector<float>> points_of(const Json& rows) {
  std::vector<std::vector<float>> points;
  for (const Json& row : rows) {
    auto& point = points.emplace_back();
    for (const Json& x : row) point.push_back(static_cast<float>(x.get<double>()));
  }
  return points;
}

TEST(Plane, CoordinatesDistancesAndVarianceAgreeWithNumPy) {
  const Json json = analysis_reference("plane");
  const auto p = points_of(json.at("points")), others = points_of(json.at("others"));
  const Plane plane = plane_through(p[0], p[1], p[2]);
  for (size_t i = 0; i < others.size(); ++i) {
    const Projection at = project(plane, others[i]);
    EXPECT_NEAR(at.x, json.at("coordinates")[i][0].get<double>(), 1e-10);
    EXPECT_NEAR(at.y, json.at("coordinates")[i][1].get<double>(), 1e-10);
    EXPECT_NEAR(at.distance, json.at("distances")[i].get<double>(), 1e-10);
  }
  EXPECT_NEAR(variance_share(plane, {others.begin(), others.end()}),
              json.at("variance_share").get<double>(), 1e-10);
  // The plane's own points: in it, the second on the first axis.
  for (size_t i = 0; i < 2; ++i) {
    const Projection at = project(plane, p[i + 1]);
    EXPECT_NEAR(at.x, json.at("corners")[i][0].get<double>(), 1e-10);
    EXPECT_NEAR(at.y, json.at("corners")[i][1].get<double>(), 1e-10);
    EXPECT_NEAR(at.distance, 0, 1e-6);
  }
  EXPECT_NEAR(variance_share(plane, {p[0], p[1], p[2]}), 1, 1e-10);
}

TEST(Plane, ReproducesThePointsThatSpanIt) {
  const auto p = points_of(analysis_reference("plane").at("points"));
  const Plane plane = plane_through(p[0], p[1], p[2]);
  for (const auto& corner : p) {
    const Projection at = project(plane, corner);
    Buffer values(DType::kF32, {7});
    plane.point(values.view(), at.x, at.y);
    for (size_t i = 0; i < 7; ++i) EXPECT_NEAR(values.ptr<float>()[i], corner[i], 1e-6);
  }
}

TEST(Plane, RandomDirectionsNeedNotBeOrthogonal) {
  const Plane skew{{0, 0, 0}, {2, 0, 0}, {1, 1, 0}};
  const std::vector<float> point = {5, 3, 4};
  const Projection at = project(skew, point);
  EXPECT_NEAR(at.x, 1, 1e-12);  // 5 = 2 x + y, 3 = y
  EXPECT_NEAR(at.y, 3, 1e-12);
  EXPECT_NEAR(at.distance, 4, 1e-12);
}

TEST(Plane, ThreePointsOnALineAreRefused) {
  const std::vector<float> a = {0, 0, 1}, b = {1, 1, 1}, c = {3, 3, 1};
  EXPECT_THROW(plane_through(a, b, c), Error);
  EXPECT_THROW(plane_through(a, a, c), Error);
}

}  // namespace
}  // namespace ilora
