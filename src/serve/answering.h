// The thread that answers. Questions of all clients, each under the learner that it names, are
// decoded together: one joins as soon as a slot of the key/value cache is free, and leaves when its
// answer ends.
//
// A prompt is read in passes of its own, always cut alike, and where the engine takes steps
// (Engine::has_steps) no feed's bits hang on another: what a client hears does not depend on who else
// asks.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "serve/answer.h"
#include "serve/right_of_way.h"
#include "session/text_answers.h"
#include "train/workbench.h"

namespace ilora {

struct AnsweringOptions {
  int64_t slots = 8;        // answers in the making at once
  int64_t capacity = 4096;  // tokens of a prompt and its answer; at most the model's context
  int64_t waiting = 64;     // questions that may wait for a slot
  int64_t threads = 0;      // 0: as the program's
};

// What has happened since the start.
struct AnsweringCounts {
  int64_t asked = 0, answered = 0, refused = 0, cancelled = 0, failed = 0;
  int64_t prompt_tokens = 0, new_tokens = 0;
  int64_t waiting = 0, answering = 0;  // now
};

class Answering {
 public:
  // `bench` is used by this thread alone from now on, and outlives it; so do the right of way.
  Answering(Workbench& bench, RightOfWay& way, AnsweringOptions options);
  ~Answering();  // ends at once: answers in the making are cancelled
  Answering(const Answering&) = delete;

  // Throws RequestError: 400 for a prompt that leaves no room for an answer, 429 where too many wait
  // already, 503 after finish().
  std::shared_ptr<Answer> ask(Question question);
  // No new question is taken from now on; waits until the others are answered,
  // at most so long.
  void finish(std::chrono::milliseconds patience);

  AnsweringCounts counts() const;
  int64_t capacity() const { return options_.capacity; }

 private:
  struct Stream;
  using StreamList = std::vector<std::unique_ptr<Stream>>;

  void run();
  void admit();
  void prepare(Stream& stream);
  void score_prompt(Stream& stream);
  void keep_copies_of(const std::shared_ptr<const ServedLearner>& learner);
  void pass();
  void read_prompts();
  bool read_prompt(Stream& stream);
  void next_tokens();
  bool take(Stream& stream, std::span<const float> logits);
  void fail(Stream& stream, std::exception_ptr error);
  void drop_ended();

  Workbench& bench_;
  RightOfWay& way_;
  const AnsweringOptions options_;
  KeyValueCache& cache_;
  std::optional<Engine::FrozenAdapters> frozen_;
  std::vector<std::shared_ptr<const ServedLearner>> known_;  // whose copies the engine may hold
  StreamList streams_;                                       // of this thread alone
  std::vector<int64_t> free_;                                // slots

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Stream>> waiting_;
  AnsweringCounts counts_;
  bool closed_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace ilora
