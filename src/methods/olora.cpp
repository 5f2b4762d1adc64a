// olora: orthogonal subspaces, O-LoRA (Wang et al. 2023, "Orthogonal subspace learning for language
// model continual learning", arXiv 2310.14152).
//
//   y = W x + s sum_{i<t} B_i A_i x + s B_t A_t x       task t trains A_t, B_t; the earlier stay frozen
//   loss = cross-entropy(current rows) + weight * sum_{i<t} P(A_t, A_i)
//
// P: the absolute products of the rows of A_t with those of A_i (continual/orthogonality.h), as a mean
// over their pairs and the adapted maps, or as the authors' sum. All adapters answer, whatever the task.
// The fast learner is that of the present task; "task-K" is task K's. No row is kept.
#include <cmath>

#include "continual/orthogonality.h"
#include "methods/registry.h"

namespace ilora {
namespace {

std::string name_of(int64_t task) {
  return fmt::format("task-{}", task);  // from 1
}

class OrthogonalLora : public Method {
 public:
  void add_options(OptionList& options) override {
    options.add("olora.weight", &weight_, "of the penalty; 0: none",
                {.min = 0, .source = "the authors' code: 0.5, of the sum"});
    options.add("olora.normalise", &normalise_,
                "the penalty is a mean of cosines; false: the authors' sum of products",
                {.source = "ours: free of the model's size, and not lowered by shrinking A"});
  }
  // The earlier adapters, and all of them joined as they are saved; the penalty's gradient.
  Footprint footprint(const ModelConfig&, int64_t tasks) const override {
    return {.vectors = 2 * tasks};
  }
  void begin_task(Run& run) override;
  Pass plan(Run& run, const std::vector<const Row*>& current) override {
    Pass pass = Method::plan(run, current);
    for (const AdapterUse& use : earlier(run)) pass.segments.front().uses.push_back(use);
    return pass;
  }
  void edit_gradient(Run& run) override;
  std::vector<std::string> scored(const Run&) const override { return {"fast"}; }
  Answerer answer_with(Run& run, const std::string&, int64_t) override {
    Uses uses = {{&run.fast(), 1.0, {}}};
    for (const AdapterUse& use : earlier(run)) uses.push_back(use);
    return {uses, {}};
  }
  std::vector<Exported> exported(Run& run) override;

 private:
  static Uses earlier(const Run& run) {
    Uses uses;
    for (int64_t t = 1; const Adapter* adapter = run.find(name_of(t)); ++t)
      uses.push_back({adapter, 1.0, {}});
    return uses;
  }

  double weight_ = 0.5;
  bool normalise_ = true;
  Buffer pull_;     // the penalty's gradient
  Adapter joined_;  // what exported() shows
};

void OrthogonalLora::begin_task(Run& run) {
  const int64_t task = run.position.task;
  if (task > 0 && run.find(name_of(task)) == nullptr) {
    run.add_copy_of_fast(name_of(task));
    run.fast().initialise(run.seed, static_cast<uint64_t>(task));
  }
}

void OrthogonalLora::edit_gradient(Run& run) {
  const Uses frozen = earlier(run);
  if (frozen.empty() || weight_ == 0) return;
  const Kernels& k = run.kernels();
  if (!pull_.view()) pull_ = Buffer(DType::kF32, {run.gradient().size()});
  k.fill(pull_.view(), 0.0);
  const std::vector<LoraBlock>& blocks = run.fast().layout().blocks();
  const double weight =
      normalise_ ? weight_ / static_cast<double>(blocks.size()) : weight_;  // a mean over maps
  double penalty = 0;
  for (const AdapterUse& use : frozen) {
    for (const LoraBlock& block : blocks)
      penalty += weight * orthogonality_penalty(
                              lora_a(pull_.view(), block), lora_a(run.fast().values(), block),
                              lora_a(use.adapter->values(), block), normalise_, weight);
  }
  k.axpy(run.gradient(), 1.0, pull_.view());
  run.report_term("penalty", {penalty, std::sqrt(k.dot(pull_.view(), pull_.view()))});
  run.report("penalty_ratio", penalty / run.step_losses.terms[LossKind::kCrossEntropy]);
}

// One adapter of the sum of ranks, with the scale of each.
std::vector<Exported> OrthogonalLora::exported(Run& run) {
  const Answerer all = answer_with(run, "fast", 0);
  const auto count = static_cast<int64_t>(all.uses.size());
  LoraOptions options = run.fast().options();
  options.rank *= count;
  options.alpha *=
      options.rslora ? std::sqrt(static_cast<double>(count)) : static_cast<double>(count);
  joined_ = Adapter(run.config(), options);
  const std::vector<LoraBlock>& blocks = run.fast().layout().blocks();
  for (size_t b = 0; b < blocks.size(); ++b) {
    const LoraBlock& joined = joined_.layout().blocks()[b];
    const int64_t rank = blocks[b].rank;
    for (int64_t i = 0; i < count; ++i) {
      const Tensor values = all.uses[static_cast<size_t>(i)].adapter->values();
      run.kernels().convert(lora_a(joined_.values(), joined).rows(i * rank, (i + 1) * rank),
                            lora_a(values, blocks[b]));
      run.kernels().convert(lora_bt(joined_.values(), joined).rows(i * rank, (i + 1) * rank),
                            lora_bt(values, blocks[b]));
    }
  }
  return {{"fast", &joined_}};
}

}  // namespace

std::unique_ptr<Method> make_olora() {
  return std::make_unique<OrthogonalLora>();
}

}  // namespace ilora
