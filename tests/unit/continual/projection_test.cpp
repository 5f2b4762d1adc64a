// GEM's and A-GEM's projections against their definitions: the constraints, and the quadratic
// programme solved another way (every set of active constraints, in double).
#include "continual/projection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/random.h"

namespace ilora {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// x of A x = b by elimination with pivots; nothing where A is singular.
std::optional<Vector> solve_linear(std::vector<Vector> a, Vector b) {
  const size_t n = b.size();
  for (size_t c = 0; c < n; ++c) {
    size_t pivot = c;
    for (size_t r = c; r < n; ++r)
      if (std::abs(a[r][c]) > std::abs(a[pivot][c])) pivot = r;
    if (std::abs(a[pivot][c]) < 1e-9) return std::nullopt;
    std::swap(a[c], a[pivot]);
    std::swap(b[c], b[pivot]);
    for (size_t r = 0; r < n; ++r) {
      if (r == c) continue;
      const double factor = a[r][c] / a[c][c];
      for (size_t k = c; k < n; ++k) a[r][k] -= factor * a[c][k];
      b[r] -= factor * b[c];
    }
  }
  for (size_t c = 0; c < n; ++c) b[c] /= a[c][c];
  return b;
}

// g + sum v_k g_k with the best v >= margin: tries every set of variables above their bound. Some
// best v rests on linearly independent g_k, so singular sets may be left out.
Vector brute_force(const Vector& g, const std::vector<Vector>& memory, double margin) {
  const size_t n = memory.size();
  Vector base = g;
  for (const Vector& m : memory) {
    for (size_t i = 0; i < g.size(); ++i) base[i] += margin * m[i];
  }
  Vector best;
  double lowest = INFINITY;
  for (size_t set = 0; set < size_t{1} << n; ++set) {
    std::vector<size_t> active;
    for (size_t k = 0; k < n; ++k)
      if ((set >> k & 1) != 0) active.push_back(k);
    std::vector<Vector> a(active.size(), Vector(active.size()));
    Vector b(active.size());
    for (size_t i = 0; i < active.size(); ++i) {
      for (size_t j = 0; j < active.size(); ++j)
        a[i][j] = dot(memory[active[i]], memory[active[j]]);
      b[i] = -dot(memory[active[i]], base);
    }
    const auto v = solve_linear(a, b);
    if (!v || std::any_of(v->begin(), v->end(), [](double x) { return x < 0; })) continue;
    Vector z = base;
    for (size_t i = 0; i < active.size(); ++i) {
      for (size_t c = 0; c < z.size(); ++c) z[c] += (*v)[i] * memory[active[i]][c];
    }
    if (const double value = dot(z, z); value < lowest) {
      lowest = value;
      best = z;
    }
  }
  return best;
}

Buffer buffer_of(const Vector& values) {
  Buffer buffer(DType::kF32, {static_cast<int64_t>(values.size())});
  for (size_t i = 0; i < values.size(); ++i) buffer.ptr<float>()[i] = static_cast<float>(values[i]);
  return buffer;
}
Vector values_of(const Buffer& buffer) {
  return {buffer.ptr<float>(), buffer.ptr<float>() + buffer.view().size()};
}

// Gradients of a case: random, and every third case with something degenerate about it.
struct Problem {
  Vector g;
  std::vector<Vector> memory;
};
Problem problem(uint64_t seed) {
  const Random random(seed, Stream::kTest);
  uint64_t counter = 0;
  const size_t n = 1 + random.below(counter++, 7), size = 2 + random.below(counter++, 30);
  const auto draw = [&] {
    const double scale = std::exp2(static_cast<double>(random.below(counter++, 16)) - 8.0);
    Vector v(size);  // small integers times a power of two: exact in float32
    for (double& x : v) x = scale * (static_cast<double>(random.below(counter++, 65)) - 32.0);
    return v;
  };
  Problem p{draw(), {}};
  for (size_t k = 0; k < n; ++k) p.memory.push_back(draw());
  const auto times = [](Vector v, double factor) {
    for (double& x : v) x *= factor;
    return v;
  };
  switch (seed % 9) {
    case 2:
      p.memory.back() = p.memory.front();
      break;  // the same twice
    case 5:
      p.memory.push_back(times(p.memory.front(), -0.5));
      break;  // opposite to another
    case 8:
      p.memory.front() = times(p.g, -1.0);
      break;  // against g: only 0 is left
    case 3:
      p.memory.push_back(Vector(size, 0.0));
      break;  // no constraint at all
    case 6:   // in the span of two others
      p.memory.push_back(times(p.memory.front(), 0.25));
      for (size_t i = 0; i < size; ++i) p.memory.back()[i] += p.memory[p.memory.size() - 2][i];
      break;
    default:
      break;
  }
  return p;
}

TEST(Gem, SolvesTheQuadraticProgrammeAndSatisfiesEveryConstraint) {
  const Kernels& kernels = reference_kernels(DType::kF32);
  int64_t projected_cases = 0, several_active = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    const Problem p = problem(seed);
    const double margin = seed % 4 == 3 ? 0.5 : 0.0;
    const Buffer g = buffer_of(p.g);
    std::vector<Buffer> kept;
    std::vector<Tensor> memory;
    for (const Vector& m : p.memory) memory.push_back(kept.emplace_back(buffer_of(m)).view());
    const Projected result = project_gem(kernels, g.view(), memory, margin);
    const Vector z = values_of(g);

    int64_t violated = 0;
    for (const Vector& m : p.memory) violated += dot(p.g, m) < 0 ? 1 : 0;
    ASSERT_EQ(result.violated, violated);
    if (violated == 0) {
      ASSERT_EQ(z, p.g) << "nothing was violated";
      continue;
    }
    ++projected_cases;
    const Vector expected = brute_force(p.g, p.memory, margin);
    double largest = std::sqrt(dot(p.g, p.g));
    for (const Vector& m : p.memory) largest = std::max(largest, margin * std::sqrt(dot(m, m)));
    double apart = 0;
    int64_t active = 0;
    for (size_t i = 0; i < z.size(); ++i) apart = std::max(apart, std::abs(z[i] - expected[i]));
    ASSERT_LE(apart, 2e-6 * largest);
    for (const Vector& m : p.memory) {
      const double product = dot(z, m), scale = largest * std::sqrt(dot(m, m));
      ASSERT_GE(product, -1e-6 * scale);
      if (scale > 0 && std::abs(product) <= 1e-6 * scale) ++active;
    }
    several_active += active > 1 ? 1 : 0;
    if (margin == 0) {
      Vector move = z;
      for (size_t i = 0; i < z.size(); ++i) move[i] -= p.g[i];
      ASSERT_NEAR(result.moved, std::sqrt(dot(move, move) / dot(p.g, p.g)), 1e-5);
    }
  }
  EXPECT_GT(projected_cases, 2000);
  EXPECT_GT(several_active, 1000) << "one constraint at a time would do";
}

TEST(Gem, OneConstraintIsAGem) {
  const Kernels& kernels = reference_kernels(DType::kF32);
  const Buffer a = buffer_of({3, -1, 2}), b = buffer_of({3, -1, 2}), r = buffer_of({-2, 1, 0.5});
  const Tensor memory = r.view();
  EXPECT_EQ(project_gem(kernels, a.view(), {&memory, 1}, 0.0).violated, 1);
  EXPECT_EQ(project_agem(kernels, b.view(), memory).violated, 1);
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(values_of(a)[i], values_of(b)[i], 1e-6);
}

TEST(AGem, LeavesANonNegativeProductAndChangesNothingElse) {
  const Kernels& kernels = reference_kernels(DType::kF32);
  int64_t projected = 0;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    const Problem p = problem(seed);
    const Vector& r = p.memory.front();
    const Buffer g = buffer_of(p.g), reference = buffer_of(r);
    const Projected result = project_agem(kernels, g.view(), reference.view());
    const Vector z = values_of(g);
    if (dot(p.g, r) >= 0) {
      ASSERT_EQ(z, p.g);
      ASSERT_EQ(result.violated, 0);
      continue;
    }
    ++projected;
    const double share = dot(p.g, r) / dot(r, r), length = std::sqrt(dot(p.g, p.g));
    for (size_t i = 0; i < z.size(); ++i) ASSERT_NEAR(z[i], p.g[i] - share * r[i], 1e-6 * length);
    ASSERT_GE(dot(z, r), -1e-6 * length * std::sqrt(dot(r, r)));
    ASSERT_NEAR(result.moved, -result.cosine, 1e-12);
  }
  EXPECT_GT(projected, 200);
}

}  // namespace
}  // namespace ilora
