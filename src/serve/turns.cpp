#include "serve/turns.h"

#include <algorithm>

namespace ilora {

void Turns::set_answering(bool answering) {
  const std::lock_guard lock(mutex_);
  if (answering && !answering_) answering_since_ = Clock::now();
  answering_ = answering;
  changed_.notify_all();
}

Turns::Pass::Pass(Turns& turns) : turns_(turns) {
  std::unique_lock lock(turns_.mutex_);
  turns_.changed_.wait(lock, [&] { return !turns_.learns_; });
  turns_.pass_ = true;
}

Turns::Pass::~Pass() {
  const std::lock_guard lock(turns_.mutex_);
  turns_.pass_ = false;
  turns_.changed_.notify_all();
}

Turns::Learning::Learning(Turns& turns) : turns_(turns) {
  std::unique_lock lock(turns_.mutex_);
  turns_.changed_.wait(lock, [&] { return !turns_.pass_; });
  turns_.learns_ = true;
  turns_.work_began_ = Clock::now();
}

Turns::Learning::~Learning() {
  const std::lock_guard lock(turns_.mutex_);
  turns_.learns_ = false;
  turns_.changed_.notify_all();
}

void Turns::give_way() {
  if (!answering_.load(std::memory_order_relaxed)) return;
  std::unique_lock lock(mutex_);
  const auto worked = Clock::now() - std::max(work_began_, answering_since_);
  const auto rest = std::chrono::duration_cast<Clock::duration>(worked * rest_per_work_);
  learns_ = false;
  changed_.notify_all();
  changed_.wait_for(lock, rest, [&] { return !answering_.load(); });
  changed_.wait(lock, [&] { return !pass_; });
  learns_ = true;
  work_began_ = Clock::now();
}

}  // namespace ilora
