// The answers that were given lately, by the ids that clients know them by: what a correction is a
// correction of. In memory alone.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "data/conversation.h"

namespace ilora {

struct GivenAnswer {
  Turns said;          // of a chat
  std::string prompt;  // of a completion
  std::string answer;
};

class RecentAnswers {
 public:
  explicit RecentAnswers(size_t most = 1000) : most_(most) {}

  // A new id: `prefix`, a name of this process, a number. No two processes have one name.
  std::string new_id(const std::string& prefix);
  void add(const std::string& id, GivenAnswer given);  // the oldest goes where there are too many
  std::optional<GivenAnswer> find(const std::string& id) const;

 private:
  const size_t most_;
  mutable std::mutex mutex_;
  std::map<std::string, GivenAnswer> given_;
  std::deque<std::string> order_;
  int64_t number_ = 0;
  std::string process_;
};

}  // namespace ilora
