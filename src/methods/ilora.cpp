// ilora: interpolation-based LoRA (Ren et al. 2024, "Analyzing and Reducing Catastrophic Forgetting
// in Parameter Efficient Tuning", arXiv 2402.18865).
//
// Two adapters on one frozen model. The fast learner w trains on the current rows and on replayed
// ones; the slow learner l follows it after every optimiser step and is deployed:
//
//   loss  = cross-entropy(current and replayed rows; w) + gamma * consistency(replayed rows; w, l)
//   l    <- lambda_k * l + (1 - lambda_k) * w,   lambda_k = min(1 - 1/(k+1), lambda), k optimiser
//   steps done so far
//
// consistency: squared distance of the two learners' hidden states, relative to the slow ones
// (model/pass.h). One pass of three segments. The paper leaves lambda and gamma open; lambda is
// derived from a half-life in tasks, so that it needs no tuning to the number of steps.
#include <cmath>

#include "continual/replay.h"
#include "methods/registry.h"

namespace ilora {
namespace {

constexpr const char* kSlow = "slow";

class InterpolationLora : public Method {
 public:
  void add_options(OptionList& options) override;
  void begin_task(Run& run) override;
  Pass plan(Run& run, const std::vector<const Row*>& current) override;
  void after_update(Run& run, const std::vector<const Row*>& current) override;
  std::string deployed() const override { return deploy_; }
  void visit(StateVisitor& visitor) override { replay_.visit(visitor, "ilora.memory"); }

 private:
  double lambda(const Position& position) const;
  std::vector<int64_t> consistency_layers(int64_t top) const;

  Replay replay_;
  double gamma_ = 1.0;
  double lambda_ = -1.0;
  double half_life_ = 1.0;
  bool warm_up_ = true;
  std::vector<int64_t> layers_ = {-1};
  std::string positions_ = "answer";
  bool one_sided_ = false;
  bool normalise_ = true;
  std::string deploy_ = kSlow;
};

void InterpolationLora::add_options(OptionList& options) {
  options.add("ilora.memory_size", &replay_.options.memory_size,
              "rows that the memory keeps over the whole sequence",
              {.min = 1, .source = "the paper's 500"});
  options.add("ilora.gamma", &gamma_,
              "weight of the consistency term; 0: none, and no slow forward",
              {.min = 0, .source = "reference code"});
  options.add("ilora.half_life", &half_life_,
              "tasks after which half of the slow learner is replaced; gives lambda from the "
              "current task's steps",
              {.min = 0, .above_min = true, .source = "ours: free of the number of steps"});
  options.add("ilora.lambda", &lambda_,
              "the share of itself that the slow learner keeps per step; -1: by half_life",
              {.min = -1, .max = 1});
  options.add("ilora.warm_up", &warm_up_, "lambda is at most 1-1/(k+1) at step k of the run",
              {.source = "reference code, with a global k"});
  options.add("ilora.layers", &layers_,
              "hidden states compared: 0 embedding .. L after the final norm; -1: L, -2: L-1",
              {.source = "ours; the reference code takes all"});
  options.add("ilora.positions", &positions_, "positions compared",
              {.choices = {"answer", "all"}, .source = "ours; the reference code takes all"});
  options.add("ilora.one_sided", &one_sided_, "only where the slow state is larger",
              {.source = "reference code: true"});
  options.add("ilora.normalise", &normalise_, "divide by the slow states' mean square",
              {.source = "ours"});
  options.add("ilora.deploy", &deploy_, "the learner that answers",
              {.choices = {"slow", "fast"}, .source = "paper"});
}

void InterpolationLora::begin_task(Run& run) {
  if (run.find(kSlow) == nullptr) run.add_copy_of_fast(kSlow);
}

std::vector<int64_t> InterpolationLora::consistency_layers(int64_t top) const {
  std::vector<int64_t> layers;
  for (const int64_t l : layers_) {
    const int64_t layer = l < 0 ? top + 1 + l : l;
    if (layer < 0 || layer > top) {
      throw Error(
          ErrorKind::kUsage,
          fmt::format("[ilora] layer {} of ilora.layers is not in this model", l),
          fmt::format("Hidden states are 0 .. {}, or -1 .. -{} from the top.", top, top + 1));
    }
    layers.push_back(layer);
  }
  return layers;
}

Pass InterpolationLora::plan(Run& run, const std::vector<const Row*>& current) {
  Pass pass = Method::plan(run, current);
  const auto replayed = replay_.draw(run, static_cast<int64_t>(current.size()));
  if (replayed.empty()) return pass;
  Segment& fast = pass.segments.emplace_back(trained_segment(run, replayed));
  if (gamma_ == 0) return pass;
  fast.consistency.weight = gamma_;
  fast.consistency.teacher = 2;
  fast.consistency.layers = consistency_layers(run.config().layers);
  fast.consistency.positions = positions_ == "all" ? Positions::kAll : Positions::kAnswer;
  fast.consistency.one_sided = one_sided_;
  fast.consistency.normalise = normalise_;
  Segment slow;
  slow.rows = replayed;
  slow.uses = {{run.find(kSlow), 1.0, {}}};
  pass.segments.push_back(slow);
  return pass;
}

double InterpolationLora::lambda(const Position& position) const {
  const double steps = half_life_ * static_cast<double>(position.task_steps);
  const double fixed = lambda_ >= 0 ? lambda_ : std::exp2(-1.0 / steps);
  return warm_up_ ? std::min(1.0 - 1.0 / (static_cast<double>(position.step) + 1.0), fixed) : fixed;
}

void InterpolationLora::after_update(Run& run, const std::vector<const Row*>& current) {
  const Kernels& k = run.kernels();
  const Tensor slow = run.find(kSlow)->values(), fast = run.fast().values();
  const double share = lambda(run.position);
  k.interpolate(slow, fast, share);
  run.report("lambda", share);
  run.report("distance", std::sqrt(k.squared_distance(fast, slow)));
  replay_.remember(run, current);
}

}  // namespace

std::unique_ptr<Method> make_ilora() {
  return std::make_unique<InterpolationLora>();
}

}  // namespace ilora
