#include "serve/recent_answers.h"

#include <fmt/format.h>

#include <random>

namespace ilora {

std::string RecentAnswers::new_id(const std::string& prefix) {
  const std::lock_guard lock(mutex_);
  if (process_.empty()) {
    std::random_device source;
    process_ = fmt::format("{:08x}{:08x}", source(), source());
  }
  return fmt::format("{}-{}-{}", prefix, process_, ++number_);
}

void RecentAnswers::add(const std::string& id, GivenAnswer given) {
  const std::lock_guard lock(mutex_);
  if (given_.insert_or_assign(id, std::move(given)).second) order_.push_back(id);
  if (order_.size() <= most_) return;
  given_.erase(order_.front());
  order_.pop_front();
}

std::optional<GivenAnswer> RecentAnswers::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto at = given_.find(id);
  if (at == given_.end()) return {};
  return at->second;
}

}  // namespace ilora
