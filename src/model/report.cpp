#include "model/report.h"

namespace ilora {

void PassReport::begin(const Pass& pass, const Denominators& counted) {
  terms = {};
  denominators = counted;
  imaginary = 0;
  segments.assign(pass.segments.size(), {});
  for (size_t s = 0; s < segments.size(); ++s) {
    const Segment& segment = pass.segments[s];
    for (const Loss& loss : segment.losses) {
      const size_t rows = loss.weight != 0 ? segment.rows.size() : 0;
      segments[s].push_back({loss.kind, std::vector<double>(rows)});
    }
  }
}

double PassReport::total() const {
  double sum = 0;
  for (const double term : terms.values) sum += term;
  return sum;
}

std::span<const double> PassReport::rows(size_t segment, LossKind kind) const {
  for (const RowLosses& loss : segments.at(segment)) {
    if (loss.kind == kind) return loss.rows;
  }
  return {};
}

}  // namespace ilora
