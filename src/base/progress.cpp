#include "base/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/clock.h"

namespace ilora {
namespace {

constexpr double kRedrawSeconds = 0.1;  // a bar
// A plain line: after this long, if so much of the whole was done since the last one, or after
// kLineLatest anyway.
constexpr double kLineSeconds = 5.0;
constexpr double kLineFraction = 0.05;
constexpr double kLineLatest = 30.0;
constexpr int kBarColumns = 20;

}  // namespace

std::string format_duration(double seconds) {
  const auto s = static_cast<int64_t>(std::llround(std::max(0.0, seconds)));
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

Progress::Progress(Log& log, std::string title, int64_t total, std::string unit, int64_t start,
                   Clock clock)
    : log_(log),
      title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      start_(start),
      done_(start),
      clock_(clock ? std::move(clock) : seconds_now),
      began_(clock_()),
      shown_at_(began_),
      shown_done_(start) {}

Progress::~Progress() {
  if (!finished_) log_.status({});
}

void Progress::advance(int64_t count, std::string_view note) {
  done_ += count;
  if (!note.empty()) note_ = note;
  const double since = clock_() - shown_at_;
  const double part =
      total_ > 0 ? static_cast<double>(done_ - shown_done_) / static_cast<double>(total_) : 1.0;
  const bool due = log_.terminal()
                       ? since >= kRedrawSeconds
                       : since >= kLineLatest || (since >= kLineSeconds && part >= kLineFraction);
  if (!due || finished_) return;
  if (log_.terminal()) {
    log_.status(text(true));
  } else {
    log_.info("{}", text(false));
  }
  shown_at_ = clock_();
  shown_done_ = done_;
}

std::string Progress::text(bool bar) const {
  const double fraction =
      total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 1.0;
  const double elapsed = clock_() - began_;
  const double rate = elapsed > 0 ? static_cast<double>(done_ - start_) / elapsed : 0.0;
  std::string line = title_ + "  ";
  if (bar) {
    const auto filled = static_cast<size_t>(std::clamp(fraction, 0.0, 1.0) * kBarColumns);
    line +=
        fmt::format("[{}{}] ", std::string(filled, '='), std::string(kBarColumns - filled, ' '));
  }
  line += fmt::format("{:3.0f}%  {}/{} {}s", 100.0 * fraction, done_, total_, unit_);
  if (rate > 0) {
    line += rate >= 1 ? fmt::format("  {:.1f} {}s/s", rate, unit_)
                      : fmt::format("  {:.1f} s/{}", 1 / rate, unit_);
    line += fmt::format("  {} left", format_duration(static_cast<double>(total_ - done_) / rate));
  }
  if (!note_.empty()) line += "  " + note_;
  return line;
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  log_.status({});
  std::string line = fmt::format("{}  {} {}s in {}", title_, done_ - start_, unit_,
                                 format_duration(clock_() - began_));
  if (!note_.empty()) line += "  " + note_;
  log_.info("{}", line);
}

}  // namespace ilora
