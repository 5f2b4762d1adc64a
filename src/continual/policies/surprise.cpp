// surprise: the rows with the highest loss, after SuRe (Hazard et al. 2025, arXiv 2511.22367),
// which ranks sequences by their negative log-likelihood under the current model.
//
// The loss is the mean over a row's labelled tokens in the step that trained on it, so it costs no
// forward. Two answers to what reviewers of SuRe objected: a row whose loss is far above what its
// task shows is taken for mislabelled and never counts as surprising, and a share of the memory is
// a uniform sample of all rows that are not. Tasks share the surprising part equally, since losses
// of different tasks are not comparable.
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/error.h"
#include "continual/memory.h"

namespace ilora {
namespace {

constexpr double kAtRandom = -1;  // the score of a row of the random share

// Count, mean and sum of squared deviations of a task's losses (Welford 1962).
struct Spread {
  double count = 0, mean = 0, squares = 0;

  void add(double x) {
    const double from_old = x - mean;
    mean += from_old / ++count;
    squares += from_old * (x - mean);
  }
  double deviation() const { return std::sqrt(squares / count); }
};

class SurpriseMemory : public Memory {
 public:
  SurpriseMemory(int64_t capacity, const SurpriseOptions& options)
      : Memory(capacity),
        cap_(options.cap),
        random_rows_(std::llround(options.random_share * static_cast<double>(capacity))) {}

  void visit(StateVisitor& visitor, const std::string& name) override;

 protected:
  void place(const Row& row, int64_t index, uint64_t seed, std::optional<double> loss) override;
  void erase(const std::vector<bool>& leaves) override {
    Memory::erase(leaves);
    erase_marked(scores_, leaves);
  }

 private:
  bool outlier(const Row& row, double loss);
  size_t weakest(int32_t task) const;
  void offer(const Row& row, uint64_t seed);

  double cap_;
  int64_t random_rows_;         // most rows of the random share
  std::vector<double> scores_;  // of rows_: the loss, or kAtRandom
  std::map<int32_t, Spread> losses_;
  int64_t offered_ = 0;  // rows that were offered to the random share
};

bool SurpriseMemory::outlier(const Row& row, double loss) {
  Spread& spread = losses_[row.task];
  spread.add(loss);
  return loss > spread.mean + cap_ * spread.deviation();
}

// The surprising row that makes room for one of `task`: the least surprising of those that may;
// rows_.size() where there is none.
size_t SurpriseMemory::weakest(int32_t task) const {
  std::map<int32_t, int64_t> count;
  int64_t most = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (scores_[i] != kAtRandom) most = std::max(most, ++count[rows_[i].task]);
  }
  const Room room = room_for(count[task], most);
  size_t least = rows_.size();
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (scores_[i] == kAtRandom) continue;
    const bool candidate = room == Room::kLargest ? count[rows_[i].task] == most
                                                  : room == Room::kAny || rows_[i].task == task;
    if (candidate && (least == rows_.size() || scores_[i] < scores_[least])) least = i;
  }
  return least;
}

void SurpriseMemory::place(const Row& row, int64_t, uint64_t seed, std::optional<double> told) {
  ILORA_CHECK(told && *told >= 0, "row {} has no loss", row.id);
  const double loss = *told;
  const auto surprising = std::count_if(scores_.begin(), scores_.end(),
                                        [](double score) { return score != kAtRandom; });
  if (outlier(row, loss)) {
    offer(row, seed);
  } else if (surprising < capacity() - random_rows_) {
    rows_.push_back(row);
    scores_.push_back(loss);
  } else {
    const size_t least = weakest(row.task);
    const bool enters =
        least < rows_.size() && (rows_[least].task != row.task || loss > scores_[least]);
    if (enters) {
      const Row leaving = std::exchange(rows_[least], row);
      scores_[least] = loss;
      offer(leaving, seed);
    } else {
      offer(row, seed);
    }
  }
}

// The random share: a reservoir of all rows that are not among the surprising ones, each offered
// once, when it is turned away or crowded out.
void SurpriseMemory::offer(const Row& row, uint64_t seed) {
  const auto index = static_cast<uint64_t>(offered_++);
  if (std::ranges::count(scores_, kAtRandom) < random_rows_) {
    rows_.push_back(row);
    scores_.push_back(kAtRandom);
    return;
  }
  uint64_t slot = insertions(seed).below(index, index + 1);
  if (slot >= static_cast<uint64_t>(random_rows_)) return;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (scores_[i] == kAtRandom && slot-- == 0) {
      rows_[i] = row;
      return;
    }
  }
}

void SurpriseMemory::visit(StateVisitor& visitor, const std::string& name) {
  Memory::visit(visitor, name);
  visit_list(visitor, name + ".scores", scores_);
  visitor.value(name + ".offered", offered_);
  std::vector<double> spreads;  // task, count, mean, squares
  for (const auto& [task, s] : losses_)
    spreads.insert(spreads.end(), {static_cast<double>(task), s.count, s.mean, s.squares});
  visit_list(visitor, name + ".losses", spreads);
  losses_.clear();
  for (size_t i = 0; i + 4 <= spreads.size(); i += 4)
    losses_[static_cast<int32_t>(spreads[i])] = {spreads[i + 1], spreads[i + 2], spreads[i + 3]};
}

}  // namespace

std::unique_ptr<Memory> make_surprise(int64_t capacity, const SurpriseOptions& options) {
  return std::make_unique<SurpriseMemory>(capacity, options);
}

}  // namespace ilora
