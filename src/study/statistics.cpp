#include "study/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace ilora {
namespace {

// The q-th quantile of sorted values, linear between ranks.
double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], at - static_cast<double>(below));
}

// One seed's own difference: the mean over tasks of the mean over rows.
double seed_difference(const PairedDifferences& differences, size_t seed) {
  double sum = 0;
  for (const auto& task : differences) {
    const std::vector<double>& rows = task[seed];
    sum += std::accumulate(rows.begin(), rows.end(), 0.0) / static_cast<double>(rows.size());
  }
  return sum / static_cast<double>(differences.size());
}

// A resample of as many seeds and rows as there are: every draw has a counter of its own.
Resample draw(const PairedDifferences& differences, const Random& random) {
  uint64_t counter = 0;
  const auto indices = [&](size_t count) {
    std::vector<size_t> drawn(count);
    for (size_t& index : drawn) index = static_cast<size_t>(random.below(counter++, count));
    return drawn;
  };
  Resample resample;
  resample.seeds = indices(differences.front().size());
  for (const auto& task : differences) resample.rows.push_back(indices(task.front().size()));
  return resample;
}

}  // namespace

double mean_difference(const PairedDifferences& differences) {
  const auto each_once = [](size_t count) {
    std::vector<size_t> indices(count);
    std::iota(indices.begin(), indices.end(), size_t{0});
    return indices;
  };
  Resample all{each_once(differences.front().size()), {}};
  for (const auto& task : differences) all.rows.push_back(each_once(task.front().size()));
  return mean_difference(differences, all);
}

double mean_difference(const PairedDifferences& differences, const Resample& resample) {
  double sum = 0;
  for (size_t t = 0; t < differences.size(); ++t) {
    double task = 0;
    for (const size_t s : resample.seeds) {
      const std::vector<double>& rows = differences[t][s];
      for (const size_t row : resample.rows[t]) task += rows[row];
    }
    sum += task / static_cast<double>(resample.seeds.size() * resample.rows[t].size());
  }
  return sum / static_cast<double>(differences.size());
}

Interval interval_of(double difference, std::vector<double> resampled) {
  std::sort(resampled.begin(), resampled.end());
  const auto n = static_cast<double>(resampled.size());
  const auto not_above =
      std::count_if(resampled.begin(), resampled.end(), [](double x) { return x <= 0; });
  const auto not_below =
      std::count_if(resampled.begin(), resampled.end(), [](double x) { return x >= 0; });
  Interval interval;
  interval.difference = difference;
  interval.low = quantile(resampled, 0.025);
  interval.high = quantile(resampled, 0.975);
  interval.p = std::min(1.0, 2 * static_cast<double>(std::min(not_above, not_below) + 1) / (n + 1));
  return interval;
}

Interval paired_bootstrap(const PairedDifferences& differences, int64_t resamples, uint64_t seed) {
  ILORA_CHECK(!differences.empty() && resamples > 0);
  for (const auto& task : differences) {
    ILORA_CHECK(task.size() == differences.front().size() && !task.empty());
    for (const auto& rows : task) ILORA_CHECK(rows.size() == task.front().size() && !rows.empty());
  }
  std::vector<double> values;
  values.reserve(static_cast<size_t>(resamples));
  for (int64_t b = 0; b < resamples; ++b) {
    const Random random(seed, Stream::kBootstrap, static_cast<uint64_t>(b));
    values.push_back(mean_difference(differences, draw(differences, random)));
  }
  Interval interval = interval_of(mean_difference(differences), std::move(values));
  for (size_t s = 0; s < differences.front().size(); ++s) {
    const double own = seed_difference(differences, s);
    if (own * interval.difference > 0) ++interval.agreeing;
  }
  return interval;
}

}  // namespace ilora
