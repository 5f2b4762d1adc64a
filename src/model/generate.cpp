#include "model/generate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/random.h"

namespace ilora {
namespace {

// A token that may come next.
struct Candidate {
  float logit;
  int32_t token;
};

std::vector<Candidate> candidates(std::span<const float> logits, const Sampling& sampling) {
  std::vector<Candidate> all(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) all[i] = {logits[i], static_cast<int32_t>(i)};
  const auto before = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  const size_t keep =
      sampling.top_k > 0 ? std::min(all.size(), static_cast<size_t>(sampling.top_k)) : all.size();
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(keep), all.end(),
                    before);
  all.resize(keep);
  return all;
}

// The first of the largest. In lanes, whose order of comparisons the compiler may keep.
int32_t largest(std::span<const float> logits) {
  constexpr size_t kLanes = 16;
  float top[kLanes];
  std::fill_n(top, kLanes, -std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) top[j] = logits[i + j] > top[j] ? logits[i + j] : top[j];
  }
  float most = *std::max_element(top, top + kLanes);
  for (; i < logits.size(); ++i) most = std::max(most, logits[i]);
  return static_cast<int32_t>(std::find(logits.begin(), logits.end(), most) - logits.begin());
}

// One answer in the making.
struct Answering {
  size_t lane, index;
  int64_t slot;
  int64_t past;  // tokens in the cache
  int32_t last;  // token to feed next, once the prompt is fed
};

// Answers the prompts of all lanes, one lane after another. A prompt takes a slot of the cache as
// soon as one is free, and each pass feeds what every slot has to feed: the next token, or as much
// of a new prompt as fits. So the number of rows that share a base product stays up although
// answers end at different times. Where the engine takes steps (Engine::step), next tokens and
// prompts go in passes of their own.
class Decoder {
 public:
  Decoder(Engine& engine, std::span<const Lane> lanes, const GenerateOptions& options,
          const TokenVisitor& visit)
      : engine_(engine),
        lanes_(lanes),
        options_(options),
        visit_(visit),
        cache_(engine.cache(slots(), capacity())) {
    for (const Lane& lane : lanes) {
      answers_.emplace_back(lane.prompts.size());
      lists_.push_back(*lane.uses);
    }
    for (int64_t slot = cache_.slots() - 1; slot >= 0; --slot) free_.push_back(slot);
  }

  std::vector<Answers> run() {
    const Engine::FrozenAdapters frozen(engine_);
    while (admit(), !streams_.empty()) step();
    return std::move(answers_);
  }

 private:
  int64_t slots() const {
    int64_t prompts = 0;
    for (const Lane& lane : lanes_) prompts += static_cast<int64_t>(lane.prompts.size());
    return std::min(prompts, options_.batch);
  }
  int64_t capacity() const {
    size_t longest = 0;
    for (const Lane& lane : lanes_) {
      for (const auto& prompt : lane.prompts) longest = std::max(longest, prompt.size());
    }
    const int64_t context = engine_.config().context;
    return std::min(static_cast<int64_t>(longest) + std::min(options_.max_new_tokens, context),
                    context);
  }

  void admit() {
    while (!free_.empty() && lane_ < lanes_.size()) {
      if (index_ == lanes_[lane_].prompts.size()) {
        ++lane_;
        index_ = 0;
        continue;
      }
      streams_.push_back({lane_, index_++, free_.back(), 0, 0});
      free_.pop_back();
    }
  }

  std::span<const int32_t> prompt(const Answering& s) const {
    return lanes_[s.lane].prompts[s.index];
  }

  enum class Part : uint8_t { kAll, kNextTokens, kPrompts };

  void step() {
    ended_.assign(streams_.size(), false);
    if (engine_.has_steps()) {
      pass(Part::kNextTokens);
      pass(Part::kPrompts);
    } else {
      pass(Part::kAll);
    }
    size_t kept = 0;
    for (size_t i = 0; i < streams_.size(); ++i) {
      if (ended_[i]) {
        free_.push_back(streams_[i].slot);
      } else {
        streams_[kept++] = streams_[i];
      }
    }
    streams_.resize(kept);
  }

  bool decodes(const Answering& s) const {
    return s.past >= static_cast<int64_t>(prompt(s).size());
  }

  // One pass over streams. Those that decode come first, so a pass that is full leaves out new
  // prompts only.
  void pass(Part part) {
    fill_feeds(part);
    if (feeds_.empty()) return;
    const auto visit = [&](size_t f, std::span<const float> logits) {
      Answering& s = streams_[fed_[f]];
      s.past += static_cast<int64_t>(feeds_[f].tokens.size());
      if (decodes(s)) ended_[fed_[f]] = !take(s, logits);
    };
    if (part == Part::kNextTokens) {
      engine_.step(feeds_, lists_, cache_, visit);
    } else {
      engine_.next_logits(feeds_, lists_, cache_, visit);
    }
  }

  void fill_feeds(Part part) {
    int64_t room = engine_.options().max_tokens;
    feeds_.clear();
    fed_.clear();
    for (size_t i = 0; i < streams_.size(); ++i) {
      const Answering& s = streams_[i];
      const bool left_out = part != Part::kAll && decodes(s) != (part == Part::kNextTokens);
      if (left_out || ended_[i]) continue;
      std::span<const int32_t> next = decodes(s) ? std::span<const int32_t>(&s.last, 1)
                                                 : prompt(s).subspan(static_cast<size_t>(s.past));
      next = next.first(std::min(next.size(), static_cast<size_t>(room)));
      if (next.empty()) break;
      feeds_.push_back({next, {}, s.slot, s.past, static_cast<int32_t>(s.lane)});
      fed_.push_back(i);
      room -= static_cast<int64_t>(next.size());
    }
  }

  // What a penalty for repetition looks at: the end of prompt and answer.
  std::span<const int32_t> recent(const Answering& s) {
    if (options_.sampling.repeat_penalty == 1) return {};
    const std::vector<int32_t>& answer = answers_[s.lane][s.index];
    recent_.assign(prompt(s).begin(), prompt(s).end());
    recent_.insert(recent_.end(), answer.begin(), answer.end());
    return options_.sampling.recent(recent_);
  }

  // Adds the token that the logits give; false where the answer is complete.
  bool take(Answering& stream, std::span<const float> logits) {
    std::vector<int32_t>& answer = answers_[stream.lane][stream.index];
    if (options_.tokens > 0 && options_.tokens < std::ssize(logits))
      logits = logits.first(static_cast<size_t>(options_.tokens));
    const int32_t token =
        pick_token(logits, options_.sampling, stream.index, answer.size(), recent(stream));
    if (std::find(options_.stop.begin(), options_.stop.end(), token) != options_.stop.end())
      return false;
    answer.push_back(token);
    if (visit_) visit_(stream.index, token);
    stream.last = token;
    if (options_.complete && options_.complete(stream.index, answer)) return false;
    return static_cast<int64_t>(answer.size()) < options_.max_new_tokens &&
           stream.past < engine_.config().context;
  }

  Engine& engine_;
  std::span<const Lane> lanes_;
  const GenerateOptions& options_;
  const TokenVisitor& visit_;
  KeyValueCache& cache_;
  std::vector<Uses> lists_;
  std::vector<Answers> answers_;
  std::vector<Answering> streams_;  // by lane; in the order of their admission
  std::vector<Feed> feeds_;
  std::vector<size_t> fed_;      // their streams
  std::vector<bool> ended_;      // of the streams
  std::vector<int32_t> recent_;  // of one stream
  std::vector<int64_t> free_;    // slots
  size_t lane_ = 0, index_ = 0;  // of the prompt that is next
};

void require_room(const Engine& engine, std::span<const std::vector<int32_t>> prompts) {
  for (const std::vector<int32_t>& prompt : prompts) {
    ILORA_CHECK(!prompt.empty(), "a prompt without tokens");
    if (static_cast<int64_t>(prompt.size()) >= engine.config().context) {
      throw Error(
          ErrorKind::kData,
          fmt::format(
              "[generate] a prompt of {} tokens leaves no room in the model's context of {}",
              prompt.size(), engine.config().context),
          "Shorten the prompt.");
    }
  }
}

}  // namespace

std::span<const int32_t> Sampling::recent(std::span<const int32_t> tokens) const {
  const auto most = static_cast<size_t>(std::max(repeat_last_n, int64_t{0}));
  return repeat_last_n < 0 || most >= tokens.size() ? tokens : tokens.last(most);
}

namespace {

// The logits after the penalty, each token once however often it was there.
std::vector<float> penalised(std::span<const float> logits, double penalty,
                             std::span<const int32_t> recent) {
  std::vector<float> out(logits.begin(), logits.end());
  std::vector<bool> done(logits.size());
  for (const int32_t token : recent) {
    const auto t = static_cast<size_t>(token);
    if (t >= out.size() || done[t]) continue;
    done[t] = true;
    const double logit = out[t];
    out[t] = static_cast<float>(logit > 0 ? logit / penalty : logit * penalty);
  }
  return out;
}

// Draws from the sorted candidates that top_p and min_p leave.
int32_t draw(std::span<const Candidate> sorted, const Sampling& sampling, double u) {
  std::vector<double> weight(sorted.size());
  double total = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    weight[i] =
        std::exp(static_cast<double>(sorted[i].logit - sorted[0].logit) / sampling.temperature);
    total += weight[i];
  }
  // The nucleus: the fewest candidates that hold top_p of the probability.
  double nucleus = 0;
  size_t count = 0;
  while (count < weight.size() && (count == 0 || nucleus < sampling.top_p * total) &&
         weight[count] >= sampling.min_p * weight[0])
    nucleus += weight[count++];
  u *= nucleus;
  for (size_t i = 0; i < count; ++i) {
    u -= weight[i];
    if (u < 0) return sorted[i].token;
  }
  return sorted[count - 1].token;
}

}  // namespace

int32_t pick_token(std::span<const float> logits, const Sampling& sampling, uint64_t stream,
                   uint64_t counter, std::span<const int32_t> recent) {
  std::vector<float> changed;
  if (sampling.repeat_penalty != 1 && !recent.empty()) {
    changed = penalised(logits, sampling.repeat_penalty, recent);
    logits = changed;
  }
  if (sampling.temperature <= 0) return largest(logits);
  const double u = Random(sampling.seed, Stream::kSampling, stream).uniform(counter);
  return draw(candidates(logits, sampling), sampling, u);
}

std::vector<Answers> generate(Engine& engine, std::span<const Lane> lanes,
                              const GenerateOptions& options, const TokenVisitor& visit) {
  std::vector<Answers> none;
  for (const Lane& lane : lanes) {
    require_room(engine, lane.prompts);
    none.emplace_back(lane.prompts.size());
  }
  if (options.max_new_tokens <= 0) return none;
  return Decoder(engine, lanes, options, visit).run();
}

Answers generate(Engine& engine, const Uses& uses, std::span<const std::vector<int32_t>> prompts,
                 const GenerateOptions& options, const TokenVisitor& visit) {
  const Lane lane{&uses, prompts};
  return std::move(generate(engine, {&lane, 1}, options, visit).front());
}

}  // namespace ilora
