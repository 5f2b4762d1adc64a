// ogd: orthogonal gradient descent (Farajtabar et al. 2020, "Orthogonal gradient descent for continual
// learning", arXiv 1910.07104), for a causal language model.
//
//   after a task, for some of its rows:  v = d/dw log p(answer | prompt), made orthonormal to those kept
//   g <- g - sum_v <g, v> v              of every later step's gradient, before clipping
//
// To first order a step then leaves those answers' probabilities as they are. The paper takes the
// gradient of the logit of the row's class (OGD-GTL); of an answer of many tokens that is here its
// log-probability. The rows themselves are not kept.
#include "continual/gradient_basis.h"
#include "continual/memory.h"
#include "continual/projection.h"
#include "methods/registry.h"

namespace ilora {
namespace {

constexpr uint64_t kRows = 12;  // substream of Stream::kMemory

class OrthogonalGradientDescent : public Method {
 public:
  void add_options(OptionList& options) override {
    options.add("ogd.rows", &rows_,
                "rows of each task whose gradients are kept, a vector each; 0: none, which is seq",
                {.min = 0, .source = "ours; TRACE keeps 150 in all", .fixed_once_learned = true});
    options.add("ogd.moments", raw_.option(), RawGradient::kHelp,
                {.choices = {"projected", "raw"}, .source = "raw: arXiv 2604.22407"});
  }
  // Those of all tasks, one as it is added, those of the rows that run together and those of a task
  // before they are added, and the step's gradient as it was.
  Footprint footprint(const ModelConfig&, int64_t tasks) const override {
    if (rows_ == 0) return {};
    return {.vectors = tasks * rows_ + 2 + Run::kSequencesAtOnce + rows_ + (raw_.wanted() ? 1 : 0),
            .segments = Run::kSequencesAtOnce};
  }
  void edit_gradient(Run& run) override {
    if (basis_.size() == 0) return;
    raw_.keep(run.kernels(), run.gradient());
    run.report("removed", basis_.take_out(run.kernels(), run.gradient()));
    raw_.done(true);
    run.report("vectors", static_cast<double>(basis_.size()));
  }
  Tensor second_moment_gradient() const override { return raw_.view(); }
  void end_task(Run& run) override;
  void visit(StateVisitor& visitor) override { basis_.visit(visitor, "ogd.basis"); }

 private:
  int64_t rows_ = 16;
  GradientBasis basis_;
  RawGradient raw_;
};

void OrthogonalGradientDescent::end_task(Run& run) {
  const Kernels& k = run.kernels();
  const Comm& comm = run.comm();
  const Random random(run.seed, Stream::kMemory,
                      hash_combine(kRows, static_cast<uint64_t>(run.position.task)));
  std::vector<Buffer> own;
  run.per_sequence_gradients(
      sample_rows(run.task_rows, rows_, random), [&](const Row&, Tensor gradient) {
        own.emplace_back(DType::kF32, std::initializer_list<int64_t>{gradient.size()});
        k.convert(own.back().view(), gradient);
      });
  // Every process adds every process's vectors, in one order.
  const Buffer each(DType::kF32, {run.gradient().size()});
  for (int64_t i = 0; i < rows_; ++i) {
    for (int rank = 0; rank < comm.size(); ++rank) {
      k.fill(each.view(), 0.0);
      if (rank == comm.rank() && i < std::ssize(own))
        k.convert(each.view(), own[static_cast<size_t>(i)].view());
      comm.sum(each.view());
      basis_.add(k, each.view());
    }
  }
}

}  // namespace

std::unique_ptr<Method> make_ogd() {
  return std::make_unique<OrthogonalGradientDescent>();
}

}  // namespace ilora
