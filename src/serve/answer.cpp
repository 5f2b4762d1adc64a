#include "serve/answer.h"

#include "serve/request_error.h"

namespace ilora {

std::optional<AnswerPart> Answer::next(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  const bool there = changed_.wait_until(
      lock, deadline, [&] { return !parts_.empty() || ending_ || error_ != nullptr; });
  if (!there) {
    cancelled_ = true;
    throw RequestError(kTimeout, "[serve] the answer was not there in time",
                       "Ask for fewer tokens, or start the server with a longer --timeout.");
  }
  if (!parts_.empty()) {
    AnswerPart part = std::move(parts_.front());
    parts_.pop_front();
    return part;
  }
  if (error_ != nullptr) std::rethrow_exception(error_);
  return {};
}

void Answer::cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
}

Ending Answer::ending() const {
  const std::lock_guard lock(mutex_);
  return ending_.value_or(Ending::kCancelled);
}

int64_t Answer::tokens() const {
  const std::lock_guard lock(mutex_);
  return tokens_;
}

bool Answer::cancelled() const {
  const std::lock_guard lock(mutex_);
  return cancelled_;
}

void Answer::add(AnswerPart part, int64_t tokens) {
  const std::lock_guard lock(mutex_);
  tokens_ += tokens;
  if (part.text.empty() && part.scores.empty()) return;
  parts_.push_back(std::move(part));
  changed_.notify_all();
}

void Answer::end(Ending how) {
  const std::lock_guard lock(mutex_);
  ending_ = how;
  changed_.notify_all();
}

void Answer::fail(std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  error_ = std::move(error);
  changed_.notify_all();
}

}  // namespace ilora
