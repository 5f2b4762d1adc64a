#include "serve/answering.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/parallel.h"
#include "serve/request_error.h"

namespace ilora {
namespace {

constexpr size_t kPromptPart = 256;  // tokens of a prompt in one pass: so long do others wait

// ln of the probabilities of a token and of the likeliest ones.
TokenScore score_of(std::span<const float> logits, int32_t token, int64_t alternatives) {
  const float most = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit) - most);
  const double log_total = most + std::log(total);
  TokenScore score{token, logits[static_cast<size_t>(token)] - log_total};
  const size_t wanted = std::min(static_cast<size_t>(alternatives), logits.size());
  std::vector<int32_t> order(logits.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(wanted), order.end(),
                    [&](int32_t a, int32_t b) {
                      const float x = logits[static_cast<size_t>(a)],
                                  y = logits[static_cast<size_t>(b)];
                      return x != y ? x > y : a < b;
                    });
  for (size_t i = 0; i < wanted; ++i)
    score.likeliest.emplace_back(order[i], logits[static_cast<size_t>(order[i])] - log_total);
  return score;
}

int64_t slots_of(const AnsweringOptions& options) {
  return std::max(options.slots, int64_t{1});
}

}  // namespace

// A question that waits or is answered.
struct Answering::Stream {
  Stream(Question q, const Tokenizer& tokenizer)
      : question(std::move(q)), text(tokenizer, question.stops, 1), listen(text.listener()) {
    text.show_with([this](size_t, const std::string& part) { shown += part; });
  }

  Question question;
  std::shared_ptr<Answer> answer = std::make_shared<Answer>();
  TextAnswers text;
  std::function<bool(size_t, std::span<const int32_t>)> listen;
  std::string shown;               // text that is not handed over yet
  int64_t slot = -1, past = 0;     // tokens in the cache
  std::vector<int32_t> made;       // tokens of the answer
  std::vector<TokenScore> scores;  // not handed over yet
  bool prepared = false, ended = false, failed = false;

  bool reads() const { return past < std::ssize(question.prompt); }
};

Answering::Answering(Workbench& bench, RightOfWay& way, AnsweringOptions options)
    : bench_(bench),
      way_(way),
      options_([&] {
        options.capacity = std::min(options.capacity, bench.model.config().context);
        return options;
      }()),
      cache_(bench.engine.cache(slots_of(options), options_.capacity)) {
  for (int64_t slot = cache_.slots() - 1; slot >= 0; --slot) free_.push_back(slot);
  thread_ = std::thread([this] { run(); });
}

Answering::~Answering() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

std::shared_ptr<Answer> Answering::ask(Question question) {
  ILORA_CHECK(!question.prompt.empty() && question.learner != nullptr);
  const int64_t length = std::ssize(question.prompt);
  if (length + std::min(question.max_new_tokens, int64_t{1}) > options_.capacity) {
    throw RequestError(
        kBadRequest,
        fmt::format("[serve] a prompt of {} tokens leaves no room in a context of {}", length,
                    options_.capacity),
        "Shorten it, or start the server with a larger --context.", "context_length_exceeded");
  }
  auto stream = std::make_unique<Stream>(std::move(question), bench_.model.tokenizer);
  const std::shared_ptr<Answer> answer = stream->answer;
  const std::lock_guard lock(mutex_);
  if (closed_) throw RequestError(kUnavailable, "[serve] the server is about to end");
  if (std::ssize(waiting_) >= options_.waiting) {
    ++counts_.refused;
    throw RequestError(kTooMany,
                       fmt::format("[serve] {} questions are waiting already", waiting_.size()),
                       "Ask again in a moment.");
  }
  ++counts_.asked;
  counts_.prompt_tokens += length;
  waiting_.push_back(std::move(stream));
  counts_.waiting = std::ssize(waiting_);
  changed_.notify_all();
  return answer;
}

void Answering::finish(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  closed_ = true;
  changed_.wait_for(lock, patience, [&] { return counts_.waiting + counts_.answering == 0; });
}

AnsweringCounts Answering::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void Answering::run() {
  const ScopedThreads threads(options_.threads);
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      const auto something = [&] { return stopping_ || !waiting_.empty() || !streams_.empty(); };
      if (!something()) {
        way_.set_answering(false);
        changed_.wait(lock, something);
        if (!stopping_) way_.set_answering(true);
      }
      if (stopping_) break;
    }
    admit();
    pass();
    drop_ended();
  }
  way_.set_answering(false);
  for (const auto& stream : streams_) stream->answer->end(Ending::kCancelled);
  for (const auto& stream : waiting_) stream->answer->end(Ending::kCancelled);
}

void Answering::admit() {
  const std::lock_guard lock(mutex_);
  while (!free_.empty() && !waiting_.empty()) {
    streams_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    streams_.back()->slot = free_.back();
    free_.pop_back();
  }
  counts_.waiting = std::ssize(waiting_);
  counts_.answering = std::ssize(streams_);
}

// An adapter's copy in the type of the products is made once and kept while questions name it. The
// engine knows it by its address, so none may go before the copies do.
void Answering::keep_copies_of(const std::shared_ptr<const ServedLearner>& learner) {
  if (std::ranges::count(known_, learner) > 0) return;
  std::erase_if(known_, [&](const auto& known) {
    return std::ranges::none_of(streams_,
                                [&](const auto& s) { return s->question.learner == known; });
  });
  known_.push_back(learner);
  frozen_.reset();
  frozen_.emplace(bench_.engine);
}

// What a question needs before its first pass: soft prompts in front, scores of the prompt.
void Answering::prepare(Stream& stream) {
  stream.prepared = true;
  Question& q = stream.question;
  keep_copies_of(q.learner);
  if (q.prompt_scores) score_prompt(stream);
  if (q.learner->answerer.prefix) q.prompt = q.learner->answerer.prefix(q.prompt).before(q.prompt);
  if (std::ssize(q.prompt) + std::min(q.max_new_tokens, int64_t{1}) > options_.capacity)
    throw RequestError(kBadRequest, "[serve] the prompt leaves no room after the learner's own",
                       "Shorten it, or start the server with a larger --context.",
                       "context_length_exceeded");
  if (q.max_new_tokens > 0) return;
  stream.ended = true;
  stream.answer->add({{}, std::exchange(stream.scores, {})}, 0);
  stream.answer->end(Ending::kLength);
}

void Answering::score_prompt(Stream& stream) {
  const Question& q = stream.question;
  stream.scores.push_back({q.prompt.front(), {}});
  const size_t used = static_cast<size_t>(bench_.model.tokenizer.used_size());
  bench_.engine.all_logits(
      q.prompt, q.learner->answerer.uses, [&](size_t at, std::span<const float> logits) {
        if (at + 1 == q.prompt.size()) return;
        stream.scores.push_back(score_of(logits.first(std::min(used, logits.size())),
                                         q.prompt[at + 1], q.alternatives));
      });
}

void Answering::pass() {
  for (const auto& stream : streams_) {
    if (stream->answer->cancelled() && !stream->ended) {
      stream->ended = true;
      stream->answer->end(Ending::kCancelled);
    }
  }
  next_tokens();
  read_prompts();
}

// One part of one prompt: the oldest that is not read.
void Answering::read_prompts() {
  for (const auto& stream : streams_) {
    if (stream->ended || !stream->reads()) continue;
    const RightOfWay::Pass turn(way_);
    try {
      if (!stream->prepared) prepare(*stream);
      if (!stream->ended) stream->ended = !read_prompt(*stream);
    } catch (...) {
      fail(*stream, std::current_exception());
    }
    return;
  }
}

bool Answering::read_prompt(Stream& stream) {
  const std::span<const int32_t> rest =
      std::span(stream.question.prompt).subspan(static_cast<size_t>(stream.past));
  const std::span<const int32_t> part = rest.first(std::min(rest.size(), kPromptPart));
  const Feed feed{part, {}, stream.slot, stream.past, 0};
  bool goes_on = true;
  bench_.engine.next_logits({&feed, 1}, stream.question.learner->answerer.uses, cache_,
                            [&](size_t, std::span<const float> logits) {
                              stream.past += std::ssize(part);
                              if (!stream.reads()) goes_on = take(stream, logits);
                            });
  return goes_on;
}

// One more token of every answer whose prompt is read.
void Answering::next_tokens() {
  std::vector<Uses> lists;
  std::vector<Feed> feeds;
  std::vector<Stream*> fed;
  for (const auto& known : known_) {  // feeds come by learner
    for (const auto& stream : streams_) {
      if (stream->ended || stream->reads() || stream->question.learner != known) continue;
      feeds.push_back({{&stream->made.back(), 1},
                       {},
                       stream->slot,
                       stream->past,
                       static_cast<int32_t>(lists.size())});
      fed.push_back(stream.get());
    }
    if (!feeds.empty() && feeds.back().under == static_cast<int32_t>(lists.size()))
      lists.push_back(known->answerer.uses);
  }
  if (feeds.empty()) return;
  const RightOfWay::Pass turn(way_);
  try {
    bench_.engine.step(feeds, lists, cache_, [&](size_t f, std::span<const float> logits) {
      ++fed[f]->past;
      fed[f]->ended = !take(*fed[f], logits);
    });
  } catch (...) {
    for (Stream* stream : fed) fail(*stream, std::current_exception());
  }
}

// Adds the token that the logits give; false where the answer ends.
bool Answering::take(Stream& stream, std::span<const float> logits) {
  const Question& q = stream.question;
  const auto used = static_cast<size_t>(bench_.model.tokenizer.used_size());
  logits = logits.first(std::min(used, logits.size()));
  std::vector<int32_t> recent;
  if (q.sampling.repeat_penalty != 1) {
    recent = q.prompt;
    recent.insert(recent.end(), stream.made.begin(), stream.made.end());
  }
  const int32_t token =
      pick_token(logits, q.sampling, q.stream, stream.made.size(), q.sampling.recent(recent));
  const std::vector<int32_t> stops = bench_.encoder.stop_tokens();
  Ending how = Ending::kStop;
  bool ends = std::ranges::count(stops, token) > 0;
  if (!ends) {
    stream.made.push_back(token);
    if (q.scores) stream.scores.push_back(score_of(logits, token, q.alternatives));
    ends = stream.listen(0, stream.made);
    if (!ends &&
        (std::ssize(stream.made) >= q.max_new_tokens || stream.past >= options_.capacity)) {
      ends = true;
      how = Ending::kLength;
    }
  }
  if (ends) stream.text.finish();
  stream.answer->add({std::exchange(stream.shown, {}), std::exchange(stream.scores, {})},
                     std::ssize(stream.made) - stream.answer->tokens());
  if (ends) stream.answer->end(how);
  return !ends;
}

void Answering::fail(Stream& stream, std::exception_ptr error) {
  if (!stream.ended) {
    stream.answer->fail(std::move(error));
    stream.failed = true;
  }
  stream.ended = true;
}

void Answering::drop_ended() {
  const std::lock_guard lock(mutex_);
  for (const auto& stream : streams_) {
    if (!stream->ended) continue;
    free_.push_back(stream->slot);
    counts_.new_tokens += std::ssize(stream->made);
    ++(stream->failed                ? counts_.failed
       : stream->answer->cancelled() ? counts_.cancelled
                                     : counts_.answered);
  }
  std::erase_if(streams_, [](const auto& stream) { return stream->ended; });
  counts_.answering = std::ssize(streams_);
  changed_.notify_all();
}

}  // namespace ilora
