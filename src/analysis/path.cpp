#include "analysis/path.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace ilora {
namespace {

constexpr double kSame = 1e-9;

bool inside(double alpha) {
  return alpha >= 0 && alpha <= 1;
}

size_t index_of(const Path& path, double alpha) {
  const auto at =
      std::find_if(path.begin(), path.end(), [&](const PathPoint& p) { return p.alpha == alpha; });
  ILORA_CHECK(at != path.end(), "a path without its point {}", alpha);
  return static_cast<size_t>(at - path.begin());
}

double mean(const std::vector<size_t>& tasks, const std::function<double(size_t)>& value) {
  double sum = 0;
  for (const size_t task : tasks) sum += value(task);
  return sum / static_cast<double>(tasks.size());
}

}  // namespace

std::vector<double> path_alphas(int64_t count, double from, double to) {
  if (count < 2 + (from < 0) + (to > 1) || !(from <= 0) || !(to >= 1) ||
      !std::isfinite(to - from)) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[analyze] expected points from 0 or below to 1 or above, enough for "
                            "both ends, 0 and 1, got {} from {} to {}",
                            count, from, to),
                "For example --points 21 --from -0.25 --to 1.25.");
  }
  // Steps before 0 and after 1 by their share of the length, at least one each; the rest between.
  const int64_t steps = count - 1;
  const auto share = [&](double length) -> int64_t {
    const double part = static_cast<double>(steps) * length / (to - from);
    return length > 0 ? std::max<int64_t>(1, std::llround(part)) : 0;
  };
  int64_t before = share(-from), after = share(to - 1);
  while (before + after > steps - 1) (before > after ? before : after) -= 1;
  const int64_t between = steps - before - after;
  const auto of = [](int64_t i, int64_t n) {
    return static_cast<double>(i) / static_cast<double>(n);
  };
  std::vector<double> alphas;
  for (int64_t i = 0; i < before; ++i) alphas.push_back(from * of(before - i, before));
  for (int64_t i = 0; i <= between; ++i) alphas.push_back(of(i, between));
  for (int64_t i = 1; i <= after; ++i) alphas.push_back(1 + (to - 1) * of(i, after));
  return alphas;
}

Path measure_path(Landscape& landscape, const Adapter& like, const std::vector<double>& alphas,
                  const PointMaker& make, const std::function<void(int64_t)>& done) {
  constexpr size_t kTogether = 24;  // adapters in memory at a time
  Path path(alphas.size());
  std::vector<Adapter> adapters;
  std::vector<size_t> waiting;
  int64_t measured = 0;
  const auto flush = [&] {
    std::vector<Values> values = landscape.measure_each(adapters);
    for (size_t i = 0; i < waiting.size(); ++i) path[waiting[i]].tasks = std::move(values[i]);
    measured += static_cast<int64_t>(waiting.size());
    adapters.clear();
    waiting.clear();
    if (done) done(measured);
  };
  for (size_t i = 0; i < alphas.size(); ++i) {
    path[i].alpha = alphas[i];
    Adapter adapter(landscape.engine().config(), like.options());
    path[i].dropped = make(adapter, alphas[i]);
    if (alphas[i] == 0 || alphas[i] == 1) {
      path[i].tasks = landscape.measure(adapter);
      ++measured;
      continue;
    }
    adapters.push_back(std::move(adapter));
    waiting.push_back(i);
    if (adapters.size() == kTogether) flush();
  }
  if (!waiting.empty()) flush();
  return path;
}

double barrier_height(const std::vector<double>& alphas, const std::vector<double>& losses) {
  const auto at = [&](double alpha) {
    const auto found = std::find(alphas.begin(), alphas.end(), alpha);
    ILORA_CHECK(found != alphas.end(), "a path without its point {}", alpha);
    return losses[static_cast<size_t>(found - alphas.begin())];
  };
  const double first = at(0), last = at(1);
  double height = 0;
  for (size_t i = 0; i < alphas.size(); ++i) {
    if (inside(alphas[i]))
      height = std::max(height, losses[i] - (first + alphas[i] * (last - first)));
  }
  return height;
}

double barrier_height(const Path& path, const std::vector<size_t>& tasks) {
  std::vector<double> alphas, losses;
  for (const PathPoint& point : path) {
    alphas.push_back(point.alpha);
    losses.push_back(mean_loss(point, tasks));
  }
  return barrier_height(alphas, losses);
}

double mean_loss(const PathPoint& point, const std::vector<size_t>& tasks) {
  return mean(tasks, [&](size_t t) { return point.tasks[t].loss; });
}

double mean_score(const PathPoint& point, const std::vector<size_t>& tasks) {
  return mean(tasks, [&](size_t t) { return point.tasks[t].score; });
}

size_t best_point(const Path& path, const std::vector<size_t>& tasks) {
  size_t best = index_of(path, 0);
  for (size_t i = 0; i < path.size(); ++i) {
    if (!inside(path[i].alpha)) continue;
    const double gain = mean_score(path[i], tasks) - mean_score(path[best], tasks);
    const bool lower = mean_loss(path[i], tasks) < mean_loss(path[best], tasks);
    if (gain > kSame || (gain > -kSame && lower)) best = i;
  }
  return best;
}

Gain gain_over_ends(const Path& path, const std::vector<size_t>& tasks, size_t chosen,
                    uint64_t seed) {
  const size_t first = index_of(path, 0), last = index_of(path, 1);
  const size_t end = mean_score(path[first], tasks) >= mean_score(path[last], tasks) ? first : last;
  Gain gain;
  gain.difference = mean_score(path[chosen], tasks) - mean_score(path[end], tasks);
  constexpr int64_t kResamples = 2000;
  std::vector<double> differences;
  for (int64_t sample = 0; sample < kResamples; ++sample) {
    const Random random(seed, Stream::kAnalysis, 1000 + static_cast<uint64_t>(sample));
    uint64_t draw = 0;
    differences.push_back(mean(tasks, [&](size_t t) {
      const auto &x = path[chosen].tasks[t].row_scores, &y = path[end].tasks[t].row_scores;
      double sum = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const auto row = static_cast<size_t>(random.below(draw++, x.size()));
        sum += x[row] - y[row];
      }
      return sum / static_cast<double>(x.size());
    }));
  }
  std::sort(differences.begin(), differences.end());
  gain.low = differences[static_cast<size_t>(0.025 * kResamples)];
  gain.high = differences[static_cast<size_t>(0.975 * kResamples) - 1];
  return gain;
}

}  // namespace ilora
