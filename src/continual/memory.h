// Replay memory: which of the rows seen so far a method keeps, within a fixed number of rows.
//
// One policy is one file in policies/. make_memory chooses by name; Replay (replay.h) says when
// rows enter and when they are drawn. docs/methods.md describes what each policy keeps.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "continual/state.h"
#include "model/row.h"

namespace ilora {

// `count` different rows chosen uniformly, in an order of their own; all of them where there are
// fewer.
std::vector<const Row*> sample_rows(std::span<const Row* const> rows, int64_t count,
                                    const Random& random);

// What tells answers apart: a hash of the row's answer tokens.
uint64_t answer_key(const Row& row);

// Which rows are meant.
using RowFilter = std::function<bool(const Row& row)>;

class Memory {
 public:
  // Throws Error(kUsage) where capacity is not positive.
  explicit Memory(int64_t capacity);
  virtual ~Memory() = default;

  // Shows the memory one more row; it keeps a copy or not. `loss`: the row's mean over its labelled
  // tokens, which only `surprise` looks at (and needs). What the i-th insertion draws depends on
  // (seed, i) alone.
  void insert(const Row& row, uint64_t seed, std::optional<double> loss = {});
  // At most `count` different rows, each with equal probability, in an order that depends on (seed,
  // step) alone. Valid until the next insert().
  std::vector<const Row*> draw(int64_t count, uint64_t seed, int64_t step) const;

  // The same of the tasks before `present` alone, in turn: an order of the tasks is drawn, and each
  // gives a row of its own until there are `count`, so that tasks with enough rows give equally many
  // to within one. A task's rows have equal probability.
  std::vector<const Row*> draw_past(int64_t count, int64_t present, uint64_t seed,
                                    int64_t step) const;

  const std::vector<Row>& rows() const { return rows_; }
  // visit(row) for each row kept: it may add to a row what is kept with it (its top_logits).
  void each_row(const std::function<void(Row& row)>& visit) {
    for (Row& row : rows_) visit(row);
  }
  int64_t capacity() const { return capacity_; }
  int64_t seen() const { return seen_; }  // rows shown so far
  int64_t bytes() const;                  // of the rows kept
  // Takes the rows out for which `leaves` holds; returns how many. What was seen stays counted, and
  // the next rows that are shown fill the room.
  int64_t forget(const RowFilter& leaves);
  // Takes rows out, each with equal probability, until what is left needs no more than `bytes`; one
  // row stays whatever it needs. From then on there is room for no more rows than are left, or the
  // latest rows would fill it. What is drawn depends on (seed, rows shown) alone.
  void shrink(int64_t bytes, uint64_t seed);
  // As an earlier shrink() left it. Throws Error(kFormat) for more than there is, or none.
  void restore_capacity(int64_t rows);
  // seen and rows; policies add what else they keep.
  virtual void visit(StateVisitor& visitor, const std::string& name);

 protected:
  // Keeps `row` or not; it is the index-th shown, from 0.
  virtual void place(const Row& row, int64_t index, uint64_t seed, std::optional<double> loss) = 0;
  // Takes out those of rows_ that are marked; policies whose own lists run beside rows_ do the same.
  virtual void erase(const std::vector<bool>& leaves);
  bool has_room() const { return static_cast<int64_t>(rows_.size()) < capacity_; }
  // The draws of insertions: the index-th insertion uses counter `index`, once.
  static Random insertions(uint64_t seed);

  template <class T>
  static void erase_marked(std::vector<T>& list, const std::vector<bool>& leaves) {
    size_t at = 0;
    std::erase_if(list, [&](const T&) { return leaves[at++]; });
  }

  std::vector<Row> rows_;

 private:
  int64_t capacity_;
  int64_t seen_ = 0;
};

// Policies that keep equally many rows of each class: which rows may make room for one more of a
// class that has `own` rows, where the largest have `most`.
enum class Room : uint8_t {
  kLargest,  // those of the largest classes: the new row's has less than its share
  kOwn,      // those of its own class
  kAny       // any: more classes than rows
};
inline Room room_for(int64_t own, int64_t most) {
  if (own + 1 < most) return Room::kLargest;
  return own > 0 ? Room::kOwn : Room::kAny;
}

// A uniform sample of all rows shown (Vitter 1985, algorithm R).
class ReservoirMemory : public Memory {
 public:
  using Memory::Memory;

 protected:
  void place(const Row& row, int64_t index, uint64_t seed, std::optional<double> loss) override;
};

// How `surprise` chooses.
struct SurpriseOptions {
  double cap = 2.0;  // a loss this many standard deviations above its task's mean is an outlier
  // Of the memory: a uniform sample of the rows that are not surprising.
  double random_share = 0.25;
};

struct MemoryOptions {
  int64_t size = 500;  // rows kept over the whole sequence
  std::string policy = "reservoir";
  SurpriseOptions surprise;
};

// One per policy, each in policies/.
std::unique_ptr<Memory> make_ring(int64_t capacity);
std::unique_ptr<Memory> make_task_balanced(int64_t capacity);
std::unique_ptr<Memory> make_label_balanced(int64_t capacity);
std::unique_ptr<Memory> make_stratified(int64_t capacity);
std::unique_ptr<Memory> make_surprise(int64_t capacity, const SurpriseOptions& options);

// The names that MemoryOptions::policy may have.
std::vector<std::string> memory_policies();
std::unique_ptr<Memory> make_memory(const MemoryOptions& options);

}  // namespace ilora
