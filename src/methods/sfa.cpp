// sfa: sequential fine-tuning with averaging (Kleiman et al. 2025, "Soup to go: mitigating forgetting
// during continual learning with model averaging", arXiv 2501.05559).
//
//   w <- (1 - beta) w + beta w_o      after every share `every` of a task's steps, and at its end
//
// w_o: the values that the previous task ended with. The average is what training goes on from, so it
// is a pull towards w_o; AdamW's moments stay as they are. No row is kept.
#include <cmath>

#include "methods/registry.h"

namespace ilora {
namespace {

constexpr const char* kBefore = "before";

class FineTuningWithAveraging : public Method {
 public:
  void add_options(OptionList& options) override {
    options.add("sfa.beta", &beta_, "share of the previous task's adapter in an average; 0: none",
                {.min = 0, .max = 1, .source = "ours; the paper's could not be read"});
    options.add("sfa.every", &every_, "averages are this share of a task apart",
                {.min = 0,
                 .max = 1,
                 .above_min = true,
                 .source = "ours; the paper finds less than a task better than a whole one"});
  }
  Footprint footprint(const ModelConfig&, int64_t) const override { return {.vectors = 1}; }
  void begin_task(Run& run) override {
    if (run.position.task == 0) return;
    Adapter* const before = run.find(kBefore);
    if (before == nullptr) {
      run.add_copy_of_fast(kBefore);
    } else if (run.position.task_step == 0) {  // inside a task it was restored
      run.kernels().convert(before->values(), run.fast().values());
    }
  }
  void after_update(Run& run, const std::vector<const Row*>&) override {
    const Position& at = run.position;
    if (at.task == 0 || beta_ == 0) return;
    const Kernels& k = run.kernels();
    const Tensor before = run.find(kBefore)->values();
    const bool averages = averages_before(at.task_step, at.task_steps) >
                          averages_before(at.task_step - 1, at.task_steps);
    if (averages) k.interpolate(run.fast().values(), before, 1.0 - beta_);
    run.report("averaged", averages ? 1 : 0);
    run.report("distance", std::sqrt(k.squared_distance(run.fast().values(), before)));
  }
  std::vector<std::string> scored(const Run&) const override { return {"fast"}; }

 private:
  // How many averages the first `step` steps of a task of `steps` have; its last step has one.
  double averages_before(int64_t step, int64_t steps) const {
    const double share = static_cast<double>(step) / static_cast<double>(steps);
    const double whole = std::floor(share / every_ + 1e-9);
    return step == steps ? std::ceil(1.0 / every_ - 1e-9) : whole;
  }

  double beta_ = 0.25, every_ = 0.25;
};

}  // namespace

std::unique_ptr<Method> make_sfa() {
  return std::make_unique<FineTuningWithAveraging>();
}

}  // namespace ilora
