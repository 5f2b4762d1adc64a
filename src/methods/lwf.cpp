// lwf: learning without forgetting (Li and Hoiem 2016, "Learning without forgetting", arXiv
// 1606.09282), for adapters.
//
//   loss = cross-entropy(current rows; w) + weight * T^2 KL(p_before || p_w)   on the same rows
//
// p_before is what the adapter said of the labelled tokens before the task, both at temperature T.
// No row of an earlier task is kept: the current ones, as the old adapter would go on with them,
// stand for what it knew.
#include "methods/registry.h"

namespace ilora {
namespace {

constexpr const char* kBefore = "before";

class LearningWithoutForgetting : public Method {
 public:
  void add_options(OptionList& options) override {
    options.add("lwf.weight", &weight_,
                "of the divergence from the adapter before the task; 0: none",
                {.min = 0, .source = "paper: 1"});
    options.add("lwf.temperature", &temperature_, "T, of both distributions",
                {.min = 0, .above_min = true, .source = "paper: 2"});
  }
  Footprint footprint(const ModelConfig&, int64_t) const override {
    if (weight_ == 0) return {};
    return {.vectors = 1, .losses = {divergence(0, LossReduction::kSequence)}};
  }
  void begin_task(Run& run) override;
  Pass plan(Run& run, const std::vector<const Row*>& current) override;
  std::vector<std::string> scored(const Run&) const override { return {"fast"}; }

 private:
  bool distils(const Run& run) const { return weight_ != 0 && run.position.task > 0; }
  Loss divergence(int teacher, LossReduction reduction) const {
    return {.kind = LossKind::kLogitDistillation,
            .weight = weight_,
            .teacher = teacher,
            .parameters = {.reduction = reduction, .temperature = temperature_}};
  }

  double weight_ = 1;
  double temperature_ = 2;
};

void LearningWithoutForgetting::begin_task(Run& run) {
  if (!distils(run)) return;
  Adapter* const before = run.find(kBefore);
  if (before == nullptr) {
    run.add_copy_of_fast(kBefore);
  } else if (run.position.task_step == 0) {  // inside a task it was restored
    run.kernels().convert(before->values(), run.fast().values());
  }
}

Pass LearningWithoutForgetting::plan(Run& run, const std::vector<const Row*>& current) {
  Pass pass = Method::plan(run, current);
  if (!distils(run)) return pass;
  Segment& learned = pass.segments.front();
  Segment before;
  before.rows = learned.rows;
  before.uses = {{run.find(kBefore), 1.0, {}}};
  before.labels = learned.labels;
  learned.losses.push_back(divergence(1, run.loss.reduction));
  pass.segments.push_back(before);
  return pass;
}

}  // namespace

std::unique_ptr<Method> make_lwf() {
  return std::make_unique<LearningWithoutForgetting>();
}

}  // namespace ilora
