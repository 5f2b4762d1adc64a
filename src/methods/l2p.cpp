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
// is needed.
//
// Means of a language model's hidden states are nearly alike, whatever the text, so that the same keys
// would be nearest to all. So q is taken less the mean over the texts of all tasks so far
// (l2p.centre), keys learn at a rate of their own (l2p.key_rate), and in training the paper's penalty
// on prompts that earlier tasks chose often may count (l2p.penalty).
#include <cmath>
#include <numeric>
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
  void after_update(Run& run, const std::vector<const Row*>& current) override;
  void visit(StateVisitor& visitor) override;
  Answerer answer_with(Run& run, const std::string& learner, int64_t task) override;

 private:
  // What a row of the step chose.
  struct Choice {
    std::vector<float> query;  // centred
    std::vector<int32_t> keys;
  };
  const std::vector<float>& query_of(Run& run, const Row& row);
  void move_centre(Run& run);
  void penalise(std::vector<double>& similarities) const;
  void choose_together(const Comm& comm, int64_t keys);

  int64_t pool_ = 10, length_ = 5, chosen_ = 3;
  double weight_ = 0.5;
  bool centre_ = true;
  double key_rate_ = 0.1;
  bool penalty_ = false;
  bool batch_choice_ = false;
  double rate_factor_ = 30;
  std::unordered_map<uint64_t, std::vector<float>> queries_;  // of the task's rows, by identity
  std::vector<Choice> choices_;                               // of the present step's rows
  Buffer before_;                                             // keys and centre before the update
  double texts_ = 0;                                          // whose mean the centre is
  std::vector<double> earlier_, present_;                     // choices of each key, by tasks
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
  options.add("l2p.centre", &centre_,
              "queries are compared less the mean over all tasks' texts so far",
              {.source = "ours; the paper: false", .fixed_once_learned = true});
  options.add("l2p.key_rate", &key_rate_, "share of the prompts' rate at which keys learn",
              {.min = 0, .max = 1, .source = "ours; the paper: 1"});
  options.add("l2p.penalty", &penalty_,
              "in training, a key's distance counts by how often earlier tasks chose it",
              {.source = "the paper's option"});
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
  options.prompts = {pool_ * length_, pool_, chosen_, centre_};
  return options;
}

void LearningToPrompt::begin_task(Run& run) {
  queries_.clear();
  if (run.position.task_step == 0) {
    if (centre_) move_centre(run);
    earlier_.resize(static_cast<size_t>(pool_));
    present_.resize(static_cast<size_t>(pool_));
    for (size_t m = 0; m < earlier_.size(); ++m) earlier_[m] += std::exchange(present_[m], 0.0);
  }
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

// The mean over the texts of earlier tasks becomes that over this task's, too.
void LearningToPrompt::move_centre(Run& run) {
  const Tensor centre = prompt_centre(run.fast().values(), run.fast().layout());
  std::vector<double> sum(static_cast<size_t>(centre.size()));
  for (const Row* row : run.task_rows) {
    const std::vector<float>& query = query_of(run, *row);
    for (size_t d = 0; d < sum.size(); ++d) sum[d] += static_cast<double>(query[d]);
  }
  run.comm().sum(Tensor(sum.data(), DType::kF64, {centre.size()}));
  const double earlier = texts_;
  texts_ += run.comm().sum(static_cast<double>(run.task_rows.size()));
  if (texts_ == 0) return;
  auto* mean = centre.ptr<float>();
  for (size_t d = 0; d < sum.size(); ++d)
    mean[d] = static_cast<float>((earlier * static_cast<double>(mean[d]) + sum[d]) / texts_);
}

// 1 - cos becomes (1 - cos) h with h the share of earlier tasks' choices that fell on the key, one more
// for each key counted, so that unused keys are told apart.
void LearningToPrompt::penalise(std::vector<double>& similarities) const {
  const auto keys = static_cast<double>(similarities.size());
  const double all = std::accumulate(earlier_.begin(), earlier_.end(), keys);
  for (size_t m = 0; m < similarities.size(); ++m)
    similarities[m] = 1.0 - (1.0 - similarities[m]) * (earlier_[m] + 1.0) / all;
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
    std::vector<float> query =
        centred(query_of(run, *row), prompt_centre(run.fast().values(), layout));
    std::vector<double> similarities = key_similarities(keys, query);
    if (penalty_) penalise(similarities);
    choices_.push_back({std::move(query), nearest_keys(similarities, chosen_)});
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
  before_ = Buffer(DType::kF32, {layout.size() - layout.offset_keys()});
  run.kernels().convert(before_.view(),
                        run.fast().values().rows(layout.offset_keys(), layout.size()));
  double loss = 0, similarity = 0;
  const auto norm = [&](const float* x) {
    double sum = 0;
    for (size_t d = 0; d < width; ++d) sum += static_cast<double>(x[d]) * static_cast<double>(x[d]);
    return std::sqrt(sum);
  };
  for (const Choice& choice : choices_) {
    const std::vector<double> cosines = key_similarities(keys, choice.query);
    const double query_norm = norm(choice.query.data());
    for (const int32_t m : choice.keys) {
      const float* key = keys.rows(m, m + 1).ptr<float>();
      float* dkey = dkeys.rows(m, m + 1).ptr<float>();
      const double cosine = cosines[static_cast<size_t>(m)], key_norm = norm(key);
      loss += share * (1.0 - cosine);
      similarity += cosine;
      if (key_norm == 0 || query_norm == 0) continue;
      for (size_t d = 0; d < width; ++d) {
        const double along = cosine * static_cast<double>(key[d]) / key_norm;
        const double query = static_cast<double>(choice.query[d]) / query_norm;
        dkey[d] += static_cast<float>(share * (along - query) / key_norm);
      }
    }
  }
  run.comm().sum(dkeys);  // the pass has left it zero
  const double gradient_norm = std::sqrt(run.kernels().dot(dkeys, dkeys));
  run.report_term("keys", {run.comm().sum(loss), gradient_norm});
  run.report("key_similarity", run.comm().sum(similarity) / (rows * static_cast<double>(chosen_)));
}

// AdamW's step is proportional to its rate: of the keys' step their share is kept, of the centre's,
// which decay alone would move, nothing.
void LearningToPrompt::after_update(Run& run, const std::vector<const Row*>& current) {
  static_cast<void>(current);
  const AdapterLayout& layout = run.fast().layout();
  const Tensor now = run.fast().values().rows(layout.offset_keys(), layout.size());
  const int64_t keys = pool_ * layout.width();
  run.kernels().interpolate(now.rows(0, keys), before_.view().rows(0, keys), key_rate_);
  run.kernels().convert(now.rows(keys, now.size()), before_.view().rows(keys, now.size()));
  std::vector<double> chosen(static_cast<size_t>(pool_));
  for (const Choice& choice : choices_)
    for (const int32_t m : choice.keys) chosen[static_cast<size_t>(m)] += 1;
  run.comm().sum(Tensor(chosen.data(), DType::kF64, {pool_}));
  for (size_t m = 0; m < chosen.size(); ++m) present_[m] += chosen[m];
}

void LearningToPrompt::visit(StateVisitor& visitor) {
  visitor.value("l2p.texts", texts_);
  visit_list(visitor, "l2p.earlier", earlier_);
  visit_list(visitor, "l2p.present", present_);
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
