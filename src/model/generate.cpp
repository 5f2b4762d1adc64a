#include "model/generate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace ilora {
namespace {

// Probabilities of the candidates, in order of falling logits.
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

// One answer in the making.
struct Answering {
  size_t index;
  int64_t slot;
  int64_t past;  // tokens in the cache
  int32_t last;  // token to feed next
};

class Batch {
 public:
  Batch(Engine& engine, const Uses& uses, std::span<const std::vector<int32_t>> prompts,
        size_t first, size_t count, const GenerateOptions& options, const TokenVisitor& visit,
        std::vector<std::vector<int32_t>>& answers)
      : engine_(engine),
        uses_(uses),
        prompts_(prompts),
        options_(options),
        visit_(visit),
        answers_(answers),
        cache_(engine.config(), engine.kernels().state, static_cast<int64_t>(count),
               capacity(first, count)) {
    for (size_t i = 0; i < count; ++i) prefill(first + i, static_cast<int64_t>(i));
  }

  void run() {
    while (!streams_.empty()) decode();
  }

 private:
  int64_t capacity(size_t first, size_t count) const {
    size_t longest = 0;
    for (size_t i = first; i < first + count; ++i) longest = std::max(longest, prompts_[i].size());
    return std::min(static_cast<int64_t>(longest) + options_.max_new_tokens,
                    engine_.config().context);
  }

  // Feeds a prompt in pieces that fit, and takes the first token of its answer.
  void prefill(size_t index, int64_t slot) {
    const std::vector<int32_t>& prompt = prompts_[index];
    const auto length = static_cast<int64_t>(prompt.size());
    Answering stream{index, slot, 0, 0};
    bool alive = true;
    while (stream.past < length) {
      const int64_t n = std::min(length - stream.past, engine_.options().max_tokens);
      const Feed feed{
          std::span(prompt).subspan(static_cast<size_t>(stream.past), static_cast<size_t>(n)),
          {},
          slot,
          stream.past};
      stream.past += n;
      engine_.next_logits({&feed, 1}, uses_, cache_, [&](size_t, std::span<const float> logits) {
        if (stream.past == length) alive = take(stream, logits);
      });
    }
    if (alive) streams_.push_back(stream);
  }

  // Adds the token that the logits give; false where the answer is complete.
  bool take(Answering& stream, std::span<const float> logits) {
    std::vector<int32_t>& answer = answers_[stream.index];
    const int32_t token = pick_token(logits, options_.sampling, stream.index, answer.size());
    if (std::find(options_.stop.begin(), options_.stop.end(), token) != options_.stop.end())
      return false;
    answer.push_back(token);
    if (visit_) visit_(stream.index, token);
    stream.last = token;
    return static_cast<int64_t>(answer.size()) < options_.max_new_tokens &&
           stream.past < cache_.capacity();
  }

  void decode() {
    std::vector<Feed> feeds;
    for (const Answering& s : streams_) feeds.push_back({{&s.last, 1}, {}, s.slot, s.past});
    std::vector<bool> alive(streams_.size());
    engine_.next_logits(feeds, uses_, cache_, [&](size_t i, std::span<const float> logits) {
      ++streams_[i].past;
      alive[i] = take(streams_[i], logits);
    });
    size_t kept = 0;
    for (size_t i = 0; i < streams_.size(); ++i) {
      if (alive[i]) streams_[kept++] = streams_[i];
    }
    streams_.resize(kept);
  }

  Engine& engine_;
  const Uses& uses_;
  std::span<const std::vector<int32_t>> prompts_;
  const GenerateOptions& options_;
  const TokenVisitor& visit_;
  std::vector<std::vector<int32_t>>& answers_;
  KeyValueCache cache_;
  std::vector<Answering> streams_;
};

}  // namespace

int32_t pick_token(std::span<const float> logits, const Sampling& sampling, uint64_t stream,
                   uint64_t counter) {
  if (sampling.temperature <= 0) {
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  const std::vector<Candidate> sorted = candidates(logits, sampling);
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
  while (count < weight.size() && (count == 0 || nucleus < sampling.top_p * total))
    nucleus += weight[count++];
  double u = Random(sampling.seed, Stream::kSampling, stream).uniform(counter) * nucleus;
  for (size_t i = 0; i < count; ++i) {
    u -= weight[i];
    if (u < 0) return sorted[i].token;
  }
  return sorted[count - 1].token;
}

std::vector<std::vector<int32_t>> generate(Engine& engine, const Uses& uses,
                                           std::span<const std::vector<int32_t>> prompts,
                                           const GenerateOptions& options,
                                           const TokenVisitor& visit) {
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
  std::vector<std::vector<int32_t>> answers(prompts.size());
  if (options.max_new_tokens <= 0) return answers;
  for (size_t first = 0; first < prompts.size(); first += static_cast<size_t>(options.batch)) {
    const size_t count = std::min(prompts.size() - first, static_cast<size_t>(options.batch));
    Batch(engine, uses, prompts, first, count, options, visit, answers).run();
  }
  return answers;
}

}  // namespace ilora
