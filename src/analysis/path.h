// Losses and scores of every task along a path between two adapters, and what follows from them:
// barriers, the best points, and whether a point between the ends serves old and new tasks at least
// as well as either end (the I-LoRA paper's observation, arXiv 2402.18865).
//
// Called by `ilora analyze path` and `ilora analyze sharpness`.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "analysis/curve.h"
#include "analysis/interpolate.h"
#include "analysis/landscape.h"

namespace ilora {

struct PathPoint {
  double alpha = 0;
  Values tasks;
  double dropped = 0;  // of a product cut to its rank: interpolate_products()
};
using Path = std::vector<PathPoint>;

// `count` values from `from` (at most 0) to `to` (at least 1), 0 and 1 exactly among them: evenly
// spaced on each side of the ends and between them. Throws Error(kUsage) where that cannot be.
std::vector<double> path_alphas(int64_t count, double from, double to);

// Writes the point at alpha and returns the share that was dropped.
using PointMaker = std::function<double(Adapter& out, double alpha)>;
// Measures the points; the ends 0 and 1 by themselves, so that they have the checkpoints' own
// scores. `like` gives the layout. `done` is called with the number of points measured so far.
Path measure_path(Landscape& landscape, const Adapter& like, const std::vector<double>& alphas,
                  const PointMaker& make, const std::function<void(int64_t)>& done = {});

// The largest rise of the loss on [0,1] above the straight line between its values at 0 and 1
// (Frankle et al. 2020, Entezari et al. 2022); never below 0, which the ends have.
double barrier_height(const std::vector<double>& alphas, const std::vector<double>& losses);
// Of one task, or of the mean over several.
double barrier_height(const Path& path, const std::vector<size_t>& tasks);

// Means over a group of tasks at one point.
double mean_loss(const PathPoint& point, const std::vector<size_t>& tasks);
double mean_score(const PathPoint& point, const std::vector<size_t>& tasks);

// The point of the highest mean score on [0,1]; of equal ones that of the lowest mean loss.
size_t best_point(const Path& path, const std::vector<size_t>& tasks);

// The mean score at point `chosen` less that of the better end, with the 95 % interval of a paired
// bootstrap over the rows of each task (percentiles of 2,000 resamples).
struct Gain {
  double difference = 0, low = 0, high = 0;
};
Gain gain_over_ends(const Path& path, const std::vector<size_t>& tasks, size_t chosen,
                    uint64_t seed);

}  // namespace ilora
