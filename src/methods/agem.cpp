// agem: averaged gradient episodic memory (Chaudhry et al. 2019, "Efficient lifelong learning with
// A-GEM", arXiv 1812.00420).
//
//   r = gradient of the cross-entropy of rows drawn from the memory of all earlier tasks
//   where <g, r> < 0:  g <- g - (<g, r> / <r, r>) r
//
// The projection sees the whole flat gradient, before clipping and before AdamW's moments.
#include "continual/keeps_rows.h"
#include "continual/projection.h"
#include "continual/task_memory.h"
#include "methods/registry.h"

namespace ilora {
namespace {

class AveragedGradientEpisodicMemory : public Method, public KeepsRows {
 public:
  void add_options(OptionList& options) override {
    options.add("agem.memory_size", &memory_size_, "rows kept of each task; 0: none, which is seq",
                {.min = 0, .source = "ours", .fixed_once_learned = true});
    options.add("agem.draw", &draw_,
                "rows of all earlier tasks together that a step's reference gradient is measured "
                "on; 0: all kept",
                {.min = 0, .source = "ours"});
    options.add("agem.moments", raw_.option(), RawGradient::kHelp,
                {.choices = {"projected", "raw"}, .source = "raw: arXiv 2604.22407"});
  }
  Footprint footprint(const ModelConfig&, int64_t) const override {
    // The reference gradient, and the step's own as it was.
    return {.vectors = memory_size_ > 0 ? 1 + (raw_.wanted() ? 1 : 0) : 0};
  }
  void edit_gradient(Run& run) override;
  Tensor second_moment_gradient() const override { return raw_.view(); }
  void end_task(Run& run) override {
    if (memory_size_ > 0) memory_.keep(run, memory_size_);
  }
  void visit(StateVisitor& visitor) override { memory_.visit(visitor, "agem.memory"); }
  int64_t forget(const RowFilter& leaves) override { return memory_.forget(leaves); }

 private:
  int64_t memory_size_ = 64;
  int64_t draw_ = 16;

  TaskMemory memory_;
  RawGradient raw_;
  Buffer reference_;
};

void AveragedGradientEpisodicMemory::edit_gradient(Run& run) {
  if (memory_.tasks() == 0) return;
  if (!reference_.view()) reference_ = Buffer(DType::kF32, {run.gradient().size()});
  const RowGroup group = {memory_.draw_from_all(run, draw_), reference_.view()};
  if (group.rows.empty()) return;  // all forgotten
  run.gradients({&group, 1});
  raw_.keep(run.kernels(), run.gradient());
  const Projected projected = project_agem(run.kernels(), run.gradient(), reference_.view());
  raw_.done(projected.violated > 0);
  run.report("violated", static_cast<double>(projected.violated));
  run.report("cosine", projected.cosine);
}

}  // namespace

std::unique_ptr<Method> make_agem() {
  return std::make_unique<AveragedGradientEpisodicMemory>();
}

}  // namespace ilora
