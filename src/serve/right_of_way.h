// Whose turn it is to compute. Two engines work on one model and the same cores: one answers, one
// learns. Answering has the right of way; learning keeps a share while there is much to answer, so
// that it gets done. One pass of answers and one block of learning take turns, for two pools of
// threads on the same cores would wait for each other.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace ilora {

class RightOfWay {
 public:
  // `learning_share`: of the time, while answers are in the making; above 0, below 1.
  explicit RightOfWay(double learning_share = 0.25)
      : rest_per_work_((1 - learning_share) / learning_share) {}
  RightOfWay(const RightOfWay&) = delete;

  // By the thread that answers: whether answers are in the making; then learning gives way.
  void set_answering(bool answering);
  // While it lives, the thread that answers computes a pass, and learning waits.
  class Pass {
   public:
    explicit Pass(RightOfWay& way);
    ~Pass();
    Pass(const Pass&) = delete;

   private:
    RightOfWay& way_;
  };

  // While it lives, the thread that made it learns.
  class Learning {
   public:
    explicit Learning(RightOfWay& way);
    ~Learning();
    Learning(const Learning&) = delete;

   private:
    RightOfWay& way_;
  };
  // By the thread that learns, between blocks (Engine::between_blocks): lets answers pass.
  void give_way();

 private:
  using Clock = std::chrono::steady_clock;

  const double rest_per_work_;  // seconds
  std::atomic<bool> answering_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool pass_ = false, learns_ = false;  // who computes
  bool due_ = false;                    // learning has rested long enough
  Clock::time_point work_began_{};      // of learning, since it last gave way
  Clock::time_point answering_since_{};
};

}  // namespace ilora
