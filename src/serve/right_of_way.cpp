#include "serve/right_of_way.h"

#include <algorithm>

namespace ilora {

void RightOfWay::set_answering(bool answering) {
  const std::lock_guard lock(mutex_);
  if (answering && !answering_) answering_since_ = Clock::now();
  answering_ = answering;
  changed_.notify_all();
}

RightOfWay::Pass::Pass(RightOfWay& way) : way_(way) {
  std::unique_lock lock(way_.mutex_);
  way_.changed_.wait(lock, [&] { return !way_.learns_ && !way_.due_; });
  way_.pass_ = true;
}

RightOfWay::Pass::~Pass() {
  const std::lock_guard lock(way_.mutex_);
  way_.pass_ = false;
  way_.changed_.notify_all();
}

RightOfWay::Learning::Learning(RightOfWay& way) : way_(way) {
  std::unique_lock lock(way_.mutex_);
  way_.changed_.wait(lock, [&] { return !way_.pass_; });
  way_.learns_ = true;
  way_.work_began_ = Clock::now();
}

RightOfWay::Learning::~Learning() {
  const std::lock_guard lock(way_.mutex_);
  way_.learns_ = false;
  way_.changed_.notify_all();
}

void RightOfWay::give_way() {
  if (!answering_.load(std::memory_order_relaxed)) return;
  std::unique_lock lock(mutex_);
  const auto worked = Clock::now() - std::max(work_began_, answering_since_);
  const auto rest = std::chrono::duration_cast<Clock::duration>(worked * rest_per_work_);
  learns_ = false;
  changed_.notify_all();
  changed_.wait_for(lock, rest, [&] { return !answering_.load(); });
  due_ = true;  // or the next pass would be there first, time and again
  changed_.wait(lock, [&] { return !pass_; });
  due_ = false;
  learns_ = true;
  work_began_ = Clock::now();
}

}  // namespace ilora
