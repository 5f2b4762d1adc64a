// pm: perturb and merge (Qiu et al. 2025, "Train with perturbation, infer after merging", arXiv
// 2505.22389), in a LoRA adapter's values.
//
//   task t:  each gradient is taken at w + e D,  D = w - v_{t-1},  e = +-perturb by chance  (t > 1)
//   after:   v_t <- v_{t-1} + a (w*_t - v_{t-1}),  which answers, and which task t+1 begins with
//   a = sum_{i<=t} D'F_i (w*_i - v_{t-1}) / sum_{i<=t} D'F_i D,  D = w*_t - v_{t-1},  within 0 .. 1
//
// a minimises the summed second-order rise of the losses about each task's own values w*_i, with F_i
// the diagonal Fisher information there. Two vectors hold all that it needs of earlier tasks: S, the
// sum of F_i, and R, that of F_i w*_i; the numerator is D'(R - S v_{t-1}).
#include <cmath>

#include "continual/importance.h"
#include "continual/memory.h"
#include "continual/quadratic_merge.h"
#include "methods/registry.h"

namespace ilora {
namespace {

constexpr const char* kBefore = "before";
constexpr uint64_t kFisherRows = 10, kSigns = 11;  // substreams of Stream::kMemory

class PerturbAndMerge : public Method {
 public:
  void add_options(OptionList& options) override;
  void check(const ModelConfig&) const override {
    if (coefficient_ >= 0 || coefficient_ == -1) return;
    throw Error(ErrorKind::kUsage,
                fmt::format("[pm] expected 0 to 1, or -1, got {} (pm.coefficient)", coefficient_),
                "-1 takes it from the tasks' Fisher information.");
  }
  Footprint footprint(const ModelConfig&, int64_t) const override {
    Footprint needed = {.vectors = 2};  // before the task, and what a perturbed step comes back to
    if (measures()) {
      needed.vectors += 3 + Run::kSequencesAtOnce;
      needed.segments = Run::kSequencesAtOnce;
    }
    return needed;
  }
  void begin_task(Run& run) override;
  Pass plan(Run& run, const std::vector<const Row*>& current) override;
  void edit_gradient(Run& run) override;
  void after_update(Run& run, const std::vector<const Row*>& current) override;
  void end_task(Run& run) override;
  std::vector<std::string> scored(const Run&) const override { return {"fast"}; }
  void visit(StateVisitor& visitor) override { merge_.visit(visitor, "pm.merge"); }

 private:
  bool measures() const { return coefficient_ < 0; }
  // The first task is merged with nothing.
  bool perturbs(const Run& run) const { return perturb_ != 0 && run.position.task > 0; }

  double coefficient_ = -1, perturb_ = 0.5;
  int64_t rows_ = 64;
  std::string per_ = "all";

  QuadraticMerge merge_;
  Buffer unperturbed_;
};

void PerturbAndMerge::add_options(OptionList& options) {
  options.add("pm.coefficient", &coefficient_,
              "a, the share of the new task; -1: by Fisher information; 1: the newest adapter, and "
              "nothing is measured",
              {.min = -1, .max = 1, .source = "paper", .fixed_once_learned = true});
  options.add("pm.per", &per_, "one a for the whole adapter, or one for each adapted map",
              {.choices = {"all", "map"}, .source = "paper: all"});
  options.add("pm.rows", &rows_,
              "training rows of a task that its Fisher information is measured on",
              {.min = 1, .source = "ours"});
  options.add("pm.perturb", &perturb_,
              "the size of e, of which the sign is drawn anew for each step; 0: no perturbation",
              {.min = 0, .max = 1, .source = "ours; the paper's could not be read"});
}

void PerturbAndMerge::begin_task(Run& run) {
  Adapter* const before = run.find(kBefore);
  if (before == nullptr) {
    run.add_copy_of_fast(kBefore);
  } else if (run.position.task_step == 0) {  // inside a task it was restored
    run.kernels().convert(before->values(), run.fast().values());
  }
}

// Moves the fast learner for the step's pass; edit_gradient() takes it back.
Pass PerturbAndMerge::plan(Run& run, const std::vector<const Row*>& current) {
  if (perturbs(run)) {
    const Kernels& k = run.kernels();
    const Tensor w = run.fast().values();
    if (!unperturbed_.view()) unperturbed_ = Buffer(DType::kF32, {w.size()});
    k.convert(unperturbed_.view(), w);
    const Random signs(run.seed, Stream::kMemory, kSigns);
    const bool up = signs.bits(static_cast<uint64_t>(run.position.step)) % 2 == 0;
    const double e = up ? perturb_ : -perturb_;
    k.axpy(w, e, unperturbed_.view());
    k.axpy(w, -e, run.find(kBefore)->values());
  }
  return Method::plan(run, current);
}

void PerturbAndMerge::edit_gradient(Run& run) {
  if (perturbs(run)) run.kernels().convert(run.fast().values(), unperturbed_.view());
}

void PerturbAndMerge::after_update(Run& run, const std::vector<const Row*>&) {
  if (merge_.tasks() > 1) run.report("coefficient", merge_.share());
  const Tensor before = run.find(kBefore)->values();
  run.report("distance", std::sqrt(run.kernels().squared_distance(run.fast().values(), before)));
}

void PerturbAndMerge::end_task(Run& run) {
  const Tensor w = run.fast().values(), before = run.find(kBefore)->values();
  if (!measures()) {
    if (run.position.task > 0) run.kernels().interpolate(w, before, coefficient_);
    return;
  }
  const Random random(run.seed, Stream::kMemory,
                      hash_combine(kFisherRows, static_cast<uint64_t>(run.position.task)));
  const Buffer fisher(DType::kF32, {w.size()});
  add_fisher(run, sample_rows(run.task_rows, rows_, random), fisher.view());
  merge_.add(fisher.view(), w);
  const std::vector<LoraBlock>& maps = run.fast().layout().blocks();
  merge_.merge(w, before, per_ == "map" ? std::span(maps) : std::span<const LoraBlock>());
}

}  // namespace

std::unique_ptr<Method> make_pm() {
  return std::make_unique<PerturbAndMerge>();
}

}  // namespace ilora
