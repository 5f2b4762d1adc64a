// A method that keeps rows of the tasks it has learned: they are somebody's data, and can be taken out
// (session/kept_rows.h, `ilora memory purge`).
#pragma once

#include <cstdint>

#include "continual/memory.h"

namespace ilora {

// Beside Method, for a method whose visit() has a list of rows.
class KeepsRows {
 public:
  virtual ~KeepsRows() = default;
  // Takes the rows out for which `leaves` holds; returns how many. Called after visit() has loaded,
  // without a run. The method goes on with fewer rows, or none.
  virtual int64_t forget(const RowFilter& leaves) = 0;
};

}  // namespace ilora
