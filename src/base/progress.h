// Progress of a long loop: a bar with rate and time left on a terminal, a plain line now and then
// elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/log.h"

namespace ilora {

// "0:07", "12:34", "1:02:03".
std::string format_duration(double seconds);

class Progress {
 public:
  using Clock = std::function<double()>;  // seconds, from any origin

  // Counts from `start` (a resumed loop) to `total` in `unit`s ("step"); both >= 0. The log
  // outlives it.
  Progress(Log& log, std::string title, int64_t total, std::string unit, int64_t start = 0,
           Clock clock = {});
  ~Progress();  // removes the bar
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `note` stands at the end of the line, "loss 1.234"; kept until another is given.
  void advance(int64_t count = 1, std::string_view note = {});
  void finish();  // removes the bar and says in one line how long it took; once

 private:
  std::string text(bool bar) const;

  Log& log_;
  std::string title_, unit_, note_;
  int64_t total_, start_, done_;
  Clock clock_;
  double began_, shown_at_;
  int64_t shown_done_;
  bool finished_ = false;
};

}  // namespace ilora
