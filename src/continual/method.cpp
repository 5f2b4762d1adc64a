#include "continual/method.h"

namespace ilora {

Segment trained_segment(Run& run, const std::vector<const Row*>& rows) {
  Segment segment;
  segment.rows = rows;
  segment.uses = run.trained();
  segment.cross_entropy = 1.0;
  return segment;
}

Pass Method::plan(Run& run, const std::vector<const Row*>& current) {
  Pass pass;
  pass.segments.push_back(trained_segment(run, current));
  return pass;
}

}  // namespace ilora
