// A question to a learner, and its answer in the making: what the threads that speak HTTP and the one
// that computes (answering.h) share.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/generate.h"
#include "serve/served_learners.h"

namespace ilora {

struct Question {
  std::shared_ptr<const ServedLearner> learner;
  std::vector<int32_t> prompt;  // token ids, at least one
  int64_t max_new_tokens = 0;   // 0: none, only the prompt's scores
  Sampling sampling{};
  uint64_t stream = 0;               // of random draws: answers to one prompt differ by it
  std::vector<std::string> stops{};  // none empty
  bool scores = false;               // log-probabilities of the tokens
  bool prompt_scores = false;        // of the prompt's too, but for the first
  int64_t alternatives = 0;          // likeliest tokens beside each
};

// A token and ln of its probability, before temperature and what else shapes a draw.
struct TokenScore {
  int32_t token = 0;
  std::optional<double> logprob;  // none: of a prompt's first token
  std::vector<std::pair<int32_t, double>> likeliest{};
};

struct AnswerPart {
  std::string text{};
  std::vector<TokenScore> scores{};  // where they are asked for
};

enum class Ending : uint8_t {
  kStop,       // the model's end of an answer, or a stop text
  kLength,     // max_new_tokens, or the context is full
  kCancelled,  // nobody wants it any more
};

class Answer {
 public:
  using Clock = std::chrono::steady_clock;

  // --- for who asked
  // Waits for what is there since the last call; none: it is over, and ending() says how. Throws
  // what went wrong; RequestError(408) where it is not there by `deadline`, and then it is
  // cancelled.
  std::optional<AnswerPart> next(Clock::time_point deadline);
  void cancel();
  Ending ending() const;
  int64_t tokens() const;  // made so far

  // --- for who answers
  bool cancelled() const;
  void add(AnswerPart part, int64_t tokens);
  void end(Ending how);
  void fail(std::exception_ptr error);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<AnswerPart> parts_;
  std::optional<Ending> ending_;
  std::exception_ptr error_;
  bool cancelled_ = false;
  int64_t tokens_ = 0;
};

}  // namespace ilora
