// sure: surprise-driven replay and a slow learner (Hazard et al. 2025, "SuRe: surprise-driven
// prioritised replay for continual LLM learning", arXiv 2511.22367).
//
//   loss  = cross-entropy(current and replayed rows; w)      the memory keeps the rows of highest loss
//   l    <- rate * l + (1 - rate) * w                         after every step, from the first on
//
// l answers; nothing compares the two. What counts as surprising is the memory policy `surprise`
// (continual/policies/surprise.cpp). ilora with gamma 0 and that policy computes the same.
#include <cmath>

#include "continual/keeps_rows.h"
#include "continual/replay.h"
#include "methods/registry.h"

namespace ilora {
namespace {

constexpr const char* kSlow = "slow";

class SurpriseReplay : public Method, public KeepsRows {
 public:
  // The paper's memory: the highest losses alone, none of them too high.
  SurpriseReplay() {
    replay_.options.memory.policy = "surprise";
    replay_.options.memory.surprise = {.cap = 1000, .random_share = 0};
  }
  void add_options(OptionList& options) override {
    replay_.add_options(options, "sure");
    options.add("sure.rate", &rate_,
                "the share of itself that the slow learner keeps per step; 0: it is the fast one",
                {.min = 0, .max = 1, .source = "paper: 0.995"});
  }
  void check(const ModelConfig&) const override { replay_.check(); }
  Footprint footprint(const ModelConfig&, int64_t) const override { return {.vectors = 1}; }
  void begin_task(Run& run) override {
    if (run.find(kSlow) == nullptr) run.add_copy_of_fast(kSlow);
  }
  Pass plan(Run& run, const std::vector<const Row*>& current) override {
    Pass pass = Method::plan(run, current);
    replay_.add_to(pass, run);
    return pass;
  }
  void after_update(Run& run, const std::vector<const Row*>& current) override {
    const Kernels& k = run.kernels();
    const Tensor slow = run.find(kSlow)->values(), fast = run.fast().values();
    k.interpolate(slow, fast, rate_);
    run.report("distance", std::sqrt(k.squared_distance(fast, slow)));
    replay_.remember(run, current);
  }
  std::string deployed() const override { return kSlow; }
  void visit(StateVisitor& visitor) override { replay_.visit(visitor, "sure.memory"); }
  int64_t forget(const RowFilter& leaves) override { return replay_.forget(leaves); }

 private:
  Replay replay_;
  double rate_ = 0.995;
};

}  // namespace

std::unique_ptr<Method> make_sure() {
  return std::make_unique<SurpriseReplay>();
}

}  // namespace ilora
