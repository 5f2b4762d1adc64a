// ewc: elastic weight consolidation (Kirkpatrick et al. 2017, "Overcoming catastrophic forgetting
// in neural networks", arXiv 1612.00796).
//
//   loss = cross-entropy(current rows; w) + lambda/2 sum_t sum_i F_t,i (w_i - w*_t,i)^2
//
// t: the tasks before this one; w*_t: the values that task t ended with; F_t: the empirical Fisher
// information there (continual/importance.h). `online` (Schwarz et al. 2018, "Progress & compress",
// arXiv 1805.06370) keeps one anchor in place of one per task: the newest values and the decayed
// sum F <- gamma F + F_t.
#include <cmath>

#include "continual/importance.h"
#include "continual/task_memory.h"
#include "methods/registry.h"

namespace ilora {
namespace {

constexpr uint64_t kFisherRows = 5;  // substream of Stream::kMemory

class ElasticWeightConsolidation : public Method {
 public:
  void add_options(OptionList& options) override;
  Footprint footprint(const ModelConfig& config, int64_t tasks) const override;
  void edit_gradient(Run& run) override;
  void end_task(Run& run) override;
  void visit(StateVisitor& visitor) override;

 private:
  double lambda_ = 1000;
  std::string anchors_kept_ = "per-task";
  double gamma_ = 1.0;
  int64_t rows_ = 256;

  std::vector<Anchor> anchors_;
  Buffer pull_;  // the penalty's gradient
};

void ElasticWeightConsolidation::add_options(OptionList& options) {
  options.add("ewc.lambda", &lambda_,
              "weight of the penalty; 0: none, and no Fisher information is measured",
              {.min = 0, .source = "ours, for the Fisher information of whole answers"});
  options.add("ewc.anchors", &anchors_kept_,
              "per-task: one anchor for each earlier task; online: one in all",
              {.choices = {"per-task", "online"}, .source = "paper", .fixed_once_learned = true});
  options.add("ewc.gamma", &gamma_, "online: what is kept of the earlier tasks' importance",
              {.min = 0, .max = 1, .source = "Mammoth's default", .fixed_once_learned = true});
  options.add("ewc.rows", &rows_, "training rows of a task that its importance is measured on",
              {.min = 1, .source = "ours"});
}

// Values and importance of each anchor, the penalty's gradient, and the gradients of the rows that
// run together where importance is measured.
Footprint ElasticWeightConsolidation::footprint(const ModelConfig&, int64_t tasks) const {
  if (lambda_ == 0) return {};
  const int64_t anchors = anchors_kept_ == "per-task" ? tasks : 1;
  return {.vectors = 2 * anchors + 1 + Run::kSequencesAtOnce, .segments = Run::kSequencesAtOnce};
}

void ElasticWeightConsolidation::edit_gradient(Run& run) {
  if (anchors_.empty()) return;
  const Kernels& k = run.kernels();
  if (!pull_.view()) pull_ = Buffer(DType::kF32, {run.gradient().size()});
  k.fill(pull_.view(), 0.0);
  double penalty = 0;
  for (const Anchor& anchor : anchors_)
    penalty += lambda_ * quadratic_penalty(pull_.view(), run.fast().values(), anchor, lambda_);
  k.axpy(run.gradient(), 1.0, pull_.view());
  run.report_term("penalty", {penalty, std::sqrt(k.dot(pull_.view(), pull_.view()))});
  run.report("penalty_ratio", penalty / run.step_losses.terms[LossKind::kCrossEntropy]);
}

void ElasticWeightConsolidation::end_task(Run& run) {
  if (lambda_ == 0) return;
  if (anchors_.empty() || anchors_kept_ == "per-task") anchors_.emplace_back(run.gradient().size());
  const Anchor& anchor = anchors_.back();
  const Kernels& k = run.kernels();
  k.convert(anchor.values.view(), run.fast().values());
  k.scale(anchor.importance.view(), gamma_);  // a new one is zero
  const Random random(run.seed, Stream::kMemory,
                      hash_combine(kFisherRows, static_cast<uint64_t>(run.position.task)));
  add_fisher(run, sample_rows(run.task_rows, rows_, random), anchor.importance.view());
}

void ElasticWeightConsolidation::visit(StateVisitor& visitor) {
  auto count = static_cast<int64_t>(anchors_.size());
  int64_t size = anchors_.empty() ? 0 : anchors_.front().values.view().size();
  visitor.count("ewc.anchors", count);
  visitor.count("ewc.size", size);
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    if (i == anchors_.size()) anchors_.emplace_back(size);
    visitor.vector(fmt::format("ewc.{}.values", i), anchors_[i].values.view());
    visitor.vector(fmt::format("ewc.{}.importance", i), anchors_[i].importance.view());
  }
}

}  // namespace

std::unique_ptr<Method> make_ewc() {
  return std::make_unique<ElasticWeightConsolidation>();
}

}  // namespace ilora
