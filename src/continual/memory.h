// Replay memory: a uniform sample of all rows seen so far, of fixed size (reservoir sampling,
// Vitter 1985, algorithm R).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "continual/state.h"
#include "model/row.h"

namespace ilora {

class ReservoirMemory {
 public:
  // Throws Error(kUsage) where capacity is not positive.
  explicit ReservoirMemory(int64_t capacity);

  // Shows the memory one more row; it keeps a copy or not. The i-th draw depends on (seed, i)
  // alone.
  void insert(const Row& row, uint64_t seed);
  // At most `count` different rows, in an order that depends on (seed, step) alone. Valid until the
  // next insert().
  std::vector<const Row*> draw(int64_t count, uint64_t seed, int64_t step) const;

  const std::vector<Row>& rows() const { return rows_; }
  int64_t capacity() const { return capacity_; }
  int64_t seen() const { return seen_; }
  void visit(StateVisitor& visitor, const std::string& name);

 private:
  int64_t capacity_;
  int64_t seen_ = 0;
  std::vector<Row> rows_;
};

}  // namespace ilora
