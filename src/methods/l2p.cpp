// l2p: learning to prompt (Wang et al. 2022, "Learning to prompt for continual learning",
// arXiv 2112.08654), for a causal language model.
//
// A pool of M soft prompts P_m with keys k_m. The query q of a row is the mean of the frozen
// model's last hidden states over the row's prompt (of a conversation: over all before its last
// answer, in training as in scoring); the N keys nearest to it by cosine put their
// prompts in front of the row:
//
//   loss = cross-entropy of the answer behind [P_m1; ...; P_mN; x]
//          + weight * mean over rows of the sum over chosen m of (1 - cos(q, k_m))
//
// q is a constant: keys learn from the second term alone, prompts from the first. No task identity
// is needed. The paper's optional penalty on prompts that earlier tasks chose often is left out.
#include <cmath>
#include <unordered_map>

#include "base/error.h"
#include "methods/registry.h"
#include "model/prompt_pool.h"

namespace ilora {
namespace {

class LearningToPrompt : public Method {
 public:
  void add_options(OptionList& options) override;
  void check(const ModelConfig& config) const override;
  LoraOptions adapter(LoraOptions options) const override;
  double rate_factor() const override { return rate_factor_; }
  Footprint footprint(const ModelConfig&, int64_t) const override {
    return {.soft_prompts = chosen_ * length_};
  }
  void begin_task(Run& run) override;
  Pass plan(Run& run, const std::vector<const Row*>& current) override;
  void edit_gradient(Run& run) override;
  Answerer answer_with(Run& run, const std::string& learner, int64_t task) override;

 private:
  // What a row of the step chose.
  struct Choice {
    const std::vector<float>* query;
    std::vector<int32_t> keys;
  };
  const std::vector<float>& query_of(Run& run, const Row& row);
  void choose_together(const Comm& comm, int64_t keys);

  int64_t pool_ = 10, length_ = 5, chosen_ = 3;
  double weight_ = 0.5;
  bool batch_choice_ = false;
  double rate_factor_ = 30;
  std::unordered_map<uint64_t, std::vector<float>> queries_;  // of the task's rows, by identity
  std::vector<Choice> choices_;                               // of the present step's rows
};

void LearningToPrompt::add_options(OptionList& options) {
  options.add("l2p.pool", &pool_, "soft prompts in the pool",
              {.min = 1, .source = "the paper's 10", .fixed_once_learned = true});
  options.add("l2p.length", &length_, "rows of each soft prompt",
              {.min = 1, .source = "the paper's 5", .fixed_once_learned = true});
  options.add(
      "l2p.chosen", &chosen_, "prompts that stand in front of a row",
      {.min = 1, .source = "reference code's 3; the paper's 5", .fixed_once_learned = true});
  options.add("l2p.weight", &weight_, "weight of the term that draws chosen keys to the queries",
              {.min = 0, .source = "the paper's 0.5"});
  options.add("l2p.batch_choice", &batch_choice_,
              "in training, all rows of a batch take the prompts that most of them choose",
              {.source = "the paper: false; its code: true"});
  options.add(
      "l2p.rate_factor", &rate_factor_, "train.learning_rate is multiplied by this",
      {.min = 0, .above_min = true, .source = "ours: soft prompts want a higher rate than LoRA"});
}

void LearningToPrompt::check(const ModelConfig&) const {
  if (chosen_ > pool_) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[l2p] {} prompts cannot be chosen from a pool of {}", chosen_, pool_),
                "Lower l2p.chosen or raise l2p.pool.");
  }
}

LoraOptions LearningToPrompt::adapter(LoraOptions options) const {
  options.targets = {};
  options.prompts = {pool_ * length_, pool_, chosen_};
  return options;
}

void LearningToPrompt::begin_task(Run& run) {
  queries_.clear();
  if (run.position.step > 0) return;
  const AdapterLayout& layout = run.fast().layout();
  const Tensor values = run.fast().values();
  const auto random = [&](uint64_t substream) {
    return Random(run.seed, Stream::kAdapterInit, substream);
  };
  run.fill_with_embeddings(soft_prompts(values, layout), random(0));
  float* keys = prompt_keys(values, layout).ptr<float>();
  const double scale = 1.0 / std::sqrt(static_cast<double>(layout.width()));
  for (int64_t i = 0; i < pool_ * layout.width(); ++i)
    keys[i] = static_cast<float>(scale * random(1).normal(static_cast<uint64_t>(i)));
}

const std::vector<float>& LearningToPrompt::query_of(Run& run, const Row& row) {
  std::vector<float>& query = queries_[row.id];
  if (query.empty()) {
    query = run.prompt_query(before_last_answer(row));
  }
  return query;
}

// Every row takes the keys that most rows chose; the lower number where as many did.
void LearningToPrompt::choose_together(const Comm& comm, int64_t keys) {
  std::vector<double> votes(static_cast<size_t>(keys));
  for (const Choice& choice : choices_) {
    for (const int32_t key : choice.keys) votes[static_cast<size_t>(key)] += 1;
  }
  comm.sum(Tensor(votes.data(), DType::kF64, {keys}));
  for (Choice& choice : choices_) choice.keys = nearest_keys(votes, chosen_);
}

Pass LearningToPrompt::plan(Run& run, const std::vector<const Row*>& current) {
  const AdapterLayout& layout = run.fast().layout();
  const Tensor keys = prompt_keys(run.fast().values(), layout);
  choices_.clear();
  for (const Row* row : current) {
    const std::vector<float>& query = query_of(run, *row);
    choices_.push_back({&query, nearest_keys(key_similarities(keys, query), chosen_)});
  }
  if (batch_choice_) choose_together(run.comm(), layout.prompts().keys);
  Pass pass = Method::plan(run, current);
  for (const Choice& choice : choices_)
    pass.segments.front().prefixes.push_back(prefix_of_keys(layout.prompts(), choice.keys));
  return pass;
}

// The second term: d(1 - cos)/dk = (cos * k/|k| - q/|q|) / |k|.
void LearningToPrompt::edit_gradient(Run& run) {
  const AdapterLayout& layout = run.fast().layout();
  const Tensor keys = prompt_keys(run.fast().values(), layout);
  const Tensor dkeys = prompt_keys(run.gradient(), layout);
  const auto width = static_cast<size_t>(layout.width());
  const double rows = run.comm().sum(static_cast<double>(choices_.size()));
  const double share = weight_ / rows;
  double loss = 0, similarity = 0;
  const auto norm = [&](const float* x) {
    double sum = 0;
    for (size_t d = 0; d < width; ++d) sum += static_cast<double>(x[d]) * static_cast<double>(x[d]);
    return std::sqrt(sum);
  };
  for (const Choice& choice : choices_) {
    const std::vector<double> cosines = key_similarities(keys, *choice.query);
    const double query_norm = norm(choice.query->data());
    for (const int32_t m : choice.keys) {
      const float* key = keys.rows(m, m + 1).ptr<float>();
      float* dkey = dkeys.rows(m, m + 1).ptr<float>();
      const double cosine = cosines[static_cast<size_t>(m)], key_norm = norm(key);
      loss += share * (1.0 - cosine);
      similarity += cosine;
      if (key_norm == 0 || query_norm == 0) continue;
      for (size_t d = 0; d < width; ++d) {
        const double along = cosine * static_cast<double>(key[d]) / key_norm;
        const double query = static_cast<double>((*choice.query)[d]) / query_norm;
        dkey[d] += static_cast<float>(share * (along - query) / key_norm);
      }
    }
  }
  run.comm().sum(dkeys);  // the pass has left it zero
  const double gradient_norm = std::sqrt(run.kernels().dot(dkeys, dkeys));
  run.report_term("keys", {run.comm().sum(loss), gradient_norm});
  run.report("key_similarity", run.comm().sum(similarity) / (rows * static_cast<double>(chosen_)));
}

Answerer LearningToPrompt::answer_with(Run& run, const std::string& learner, int64_t task) {
  if (run.position.step == 0) return {};  // nothing is learned yet: the base model
  return Method::answer_with(run, learner, task);
}

}  // namespace

std::unique_ptr<Method> make_l2p() {
  return std::make_unique<LearningToPrompt>();
}

}  // namespace ilora
