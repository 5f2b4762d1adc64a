// Texts that end an answer in the making and are no part of it. What could still become the beginning
// of one is held back. Called by session/text_answers.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ilora {

class StopText {
 public:
  explicit StopText(std::vector<std::string> stops) : stops_(std::move(stops)) {}  // none empty

  // Adds a part of the answer; returns what may be shown now. Nothing after a stop.
  std::string push(std::string_view part);
  std::string finish();  // what was held back; the answer is over
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace ilora
