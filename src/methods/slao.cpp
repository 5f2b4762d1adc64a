// slao: a single adapter, begun orthogonally and merged over time (Qiao and Mahdavi 2025, "Merge before
// forget", arXiv 2512.23017).
//
//   task 1:  train (A, B);  merged <- (A, B)
//   task i:  A <- Q', A' = QR with the signs of R's diagonal positive;  B as the last task left it
//            train (A, B);  A_merged <- A,  B_merged <- B_merged + i^-power (B - B_merged)
//
// `merged` answers; the fast learner goes on from its own B. No row is kept.
#include <cmath>

#include "continual/orthonormal.h"
#include "methods/registry.h"

namespace ilora {
namespace {

constexpr const char* kMerged = "merged";

class SingleLora : public Method {
 public:
  void add_options(OptionList& options) override {
    options.add("slao.orthonormal", &orthonormal_, "each task begins with orthonormal rows of A",
                {.source = "paper"});
    options.add("slao.power", &power_,
                "task number i has the weight i^-power in B; 0: the newest adapter answers",
                {.min = 0, .max = 1, .source = "paper: 0.5"});
  }
  Footprint footprint(const ModelConfig&, int64_t) const override { return {.vectors = 1}; }
  void begin_task(Run& run) override {
    if (run.find(kMerged) == nullptr) run.add_copy_of_fast(kMerged);
    const Position& at = run.position;
    if (at.task == 0 || at.task_step > 0 || !orthonormal_) return;
    const Tensor values = run.fast().values();
    for (const LoraBlock& block : run.fast().layout().blocks())
      orthonormalise_rows(lora_a(values, block));
  }
  // Until a task ends, what answered before answers; in the first task, what is learned.
  void after_update(Run& run, const std::vector<const Row*>&) override {
    const Kernels& k = run.kernels();
    const Tensor merged = run.find(kMerged)->values(), fast = run.fast().values();
    run.report("distance", std::sqrt(k.squared_distance(fast, merged)));
  }
  void end_task(Run& run) override {
    const Kernels& k = run.kernels();
    const Tensor merged = run.find(kMerged)->values(), fast = run.fast().values();
    const double share = std::pow(static_cast<double>(run.position.task + 1), -power_);
    for (const LoraBlock& block : run.fast().layout().blocks()) {
      k.convert(lora_a(merged, block), lora_a(fast, block));
      k.interpolate(lora_bt(merged, block), lora_bt(fast, block), 1.0 - share);
    }
  }
  std::string deployed() const override { return kMerged; }

 private:
  bool orthonormal_ = true;
  double power_ = 0.5;
};

}  // namespace

std::unique_ptr<Method> make_slao() {
  return std::make_unique<SingleLora>();
}

}  // namespace ilora
