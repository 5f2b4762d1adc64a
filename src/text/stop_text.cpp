#include "text/stop_text.h"

#include <algorithm>
#include <utility>

namespace ilora {

std::string StopText::push(std::string_view part) {
  if (stopped_) return {};
  held_ += part;
  size_t first = held_.npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  if (first != held_.npos) {
    stopped_ = true;
    held_.resize(first);
    return std::exchange(held_, {});
  }
  // The longest end that a stop begins with.
  size_t kept = 0;
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > kept; --n) {
      if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, n))) kept = n;
    }
  }
  std::string shown = held_.substr(0, held_.size() - kept);
  held_.erase(0, shown.size());
  return shown;
}

std::string StopText::finish() {
  return std::exchange(held_, {});
}

}  // namespace ilora
