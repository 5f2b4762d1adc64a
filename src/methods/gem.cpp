// gem: gradient episodic memory (Lopez-Paz and Ranzato 2017, arXiv 1706.08840).
//
//   g_k = gradient of the cross-entropy of rows kept of task k, for each earlier task k
//   where some <g, g_k> < 0:  g <- the nearest vector with <g, g_k> >= 0 for all k
//
// with the margin of the paper's dual (continual/projection.h). The projection sees the whole flat
// gradient, before clipping and before AdamW's moments.
#include "continual/keeps_rows.h"
#include "continual/projection.h"
#include "continual/task_memory.h"
#include "methods/registry.h"

namespace ilora {
namespace {

class GradientEpisodicMemory : public Method, public KeepsRows {
 public:
  void add_options(OptionList& options) override {
    options.add("gem.memory_size", &memory_size_, "rows kept of each task; 0: none, which is seq",
                {.min = 0, .source = "ours", .fixed_once_learned = true});
    options.add("gem.draw", &draw_,
                "rows of each earlier task that a step's constraint is measured on; 0: all kept",
                {.min = 0, .source = "ours; the paper takes all"});
    options.add("gem.margin", &margin_, "smallest weight of a memory gradient in the dual",
                {.min = 0, .source = "paper: 0.5"});
    options.add("gem.moments", raw_.option(), RawGradient::kHelp,
                {.choices = {"projected", "raw"}, .source = "raw: arXiv 2604.22407"});
  }
  Footprint footprint(const ModelConfig&, int64_t tasks) const override {
    if (memory_size_ == 0) return {};
    // A gradient of each earlier task, and the step's own as it was.
    return {.vectors = tasks - 1 + (raw_.wanted() ? 1 : 0), .segments = tasks - 1};
  }
  void edit_gradient(Run& run) override;
  Tensor second_moment_gradient() const override { return raw_.view(); }
  void end_task(Run& run) override {
    if (memory_size_ > 0) memory_.keep(run, memory_size_);
  }
  void visit(StateVisitor& visitor) override { memory_.visit(visitor, "gem.memory"); }
  int64_t forget(const RowFilter& leaves) override { return memory_.forget(leaves); }

 private:
  int64_t memory_size_ = 64;
  int64_t draw_ = 8;
  double margin_ = 0.5;

  TaskMemory memory_;
  RawGradient raw_;
  std::vector<Buffer> gradients_;  // per earlier task
};

void GradientEpisodicMemory::edit_gradient(Run& run) {
  if (memory_.tasks() == 0) return;
  std::vector<RowGroup> groups;
  std::vector<Tensor> gradients;
  for (int64_t task = 0; task < memory_.tasks(); ++task) {
    if (static_cast<int64_t>(gradients_.size()) <= task)
      gradients_.emplace_back(DType::kF32, std::initializer_list<int64_t>{run.gradient().size()});
    const std::vector<const Row*> rows = memory_.draw(run, task, draw_);
    if (rows.empty()) continue;  // forgotten: nothing of the task constrains the step
    gradients.push_back(gradients_[static_cast<size_t>(task)].view());
    groups.push_back({rows, gradients.back()});
  }
  if (groups.empty()) return;
  run.gradients(groups);
  raw_.keep(run.kernels(), run.gradient());
  const Projected projected = project_gem(run.kernels(), run.gradient(), gradients, margin_);
  raw_.done(projected.violated > 0);
  run.report("violated", static_cast<double>(projected.violated));
  run.report("cosine", projected.cosine);
  run.report("moved", projected.moved);
}

}  // namespace

std::unique_ptr<Method> make_gem() {
  return std::make_unique<GradientEpisodicMemory>();
}

}  // namespace ilora
