// The paired bootstrap of the difference between two methods. Pure functions. Called by
// comparison.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ilora {

// What method A scores above method B, row by row: [task][seed][row], the same seeds in every task
// and the same rows in every seed of a task.
using PairedDifferences = std::vector<std::vector<std::vector<double>>>;

// A resample: which seeds and which rows of each task stand in for the originals, by index; each as
// many as there are.
struct Resample {
  std::vector<size_t> seeds;
  std::vector<std::vector<size_t>> rows;  // of each task
};

// The difference in average accuracy: mean over tasks of the mean over seeds and rows.
double mean_difference(const PairedDifferences& differences);
double mean_difference(const PairedDifferences& differences, const Resample& resample);

struct Interval {
  double difference = 0;     // as measured
  double low = 0, high = 0;  // 95 %: the 2.5th and 97.5th percentile of the resamples
  double p = 1;              // two-sided, that there is no difference
  int64_t agreeing = 0;      // seeds whose own difference has the sign of `difference`
};
// `resampled` is not empty. Percentiles are interpolated between the nearest ranks, as
// numpy.percentile does; p = 2 · min(#(x <= 0) + 1, #(x >= 0) + 1) / (n + 1), at most 1. Seeds are
// not known here: none agrees.
Interval interval_of(double difference, std::vector<double> resampled);

// The paired bootstrap over seeds and rows, which are crossed: a resample draws seeds, and draws
// rows of each task that are the same for all its seeds, both with replacement (the pigeonhole
// bootstrap, Owen 2007, arXiv 0712.1111). Tasks are fixed: they are what is compared on. With one
// seed, rows alone vary. Where seeds differ more than rows do, the interval of two or three seeds
// is too narrow (three quarters of such intervals hold the truth, not 95 %): `agreeing` is to be
// read beside it. A function of its arguments: draw i of a resample is Random(seed, b).
Interval paired_bootstrap(const PairedDifferences& differences, int64_t resamples, uint64_t seed);

}  // namespace ilora
