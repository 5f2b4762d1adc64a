// ilora: interpolation-based LoRA (Ren et al. 2024, "Analyzing and Reducing Catastrophic Forgetting
// in Parameter Efficient Tuning", arXiv 2402.18865).
//
// Two adapters on one frozen model. The fast learner w trains on the current rows and on replayed
// ones; the slow learner l follows it after every optimiser step and is deployed:
//
//   loss  = cross-entropy(current and replayed rows; w) + gamma * consistency(replayed rows; w, l)
//   l    <- lambda_k * l + (1 - lambda_k) * w,   lambda_k = min(1 - 1/(k+1), lambda)
//
// with k the optimiser steps done so far.
//
// consistency: squared distance of the two learners' hidden states, relative to the slow ones
// (model/losses/consistency.cpp). One pass of three segments. The paper leaves lambda and gamma open; lambda is
// derived from a half-life in tasks, so that it needs no tuning to the number of steps.
#include <algorithm>
#include <cmath>

#include "continual/keeps_rows.h"
#include "continual/replay.h"
#include "methods/registry.h"

namespace ilora {
namespace {

constexpr const char* kSlow = "slow";

// What the authors' released code does, as written (docs/methods.md says where it does not do what
// it says).
const std::vector<OptionList::PresetValue> kReference = {
    {"reference", "ilora.memory_size", "500"},   {"reference", "ilora.policy", "reservoir"},
    {"reference", "ilora.ratio", "1"},           {"reference", "ilora.interval", "1"},
    {"reference", "ilora.insert_first", "true"}, {"reference", "ilora.insert_again", "true"},
    {"reference", "ilora.two_means", "true"},    {"reference", "ilora.gamma", "1"},
    {"reference", "ilora.lambda", "0.25"},       {"reference", "ilora.warm_up", "true"},
    {"reference", "ilora.warm_up_per", "task"},  {"reference", "ilora.layers", "[]"},
    {"reference", "ilora.positions", "all"},     {"reference", "ilora.one_sided", "true"},
    {"reference", "ilora.normalise", "false"},   {"reference", "ilora.deploy", "fast"},
};

class InterpolationLora : public Method, public KeepsRows {
 public:
  void add_options(OptionList& options) override;
  void check(const ModelConfig& config) const override;
  Footprint footprint(const ModelConfig& config, int64_t tasks) const override;
  void begin_task(Run& run) override;
  Pass plan(Run& run, const std::vector<const Row*>& current) override;
  void after_update(Run& run, const std::vector<const Row*>& current) override;
  std::string deployed() const override { return deploy_; }
  void visit(StateVisitor& visitor) override { replay_.visit(visitor, "ilora.memory"); }
  int64_t forget(const RowFilter& leaves) override { return replay_.forget(leaves); }

 private:
  double lambda(const Position& position) const;
  Loss consistency(int64_t top, int teacher) const;
  std::vector<int64_t> consistency_layers(int64_t top) const;

  std::string preset_ = "paper";
  Replay replay_;
  double gamma_ = 1.0;
  double lambda_ = -1.0;
  double half_life_ = 1.0;
  bool warm_up_ = true;
  std::string warm_up_per_ = "run";
  std::vector<int64_t> layers_ = {-1};
  std::string positions_ = "answer";
  bool one_sided_ = false;
  bool normalise_ = true;
  std::string deploy_ = kSlow;
};

void InterpolationLora::add_options(OptionList& options) {
  options.add(
      "ilora.preset", &preset_,
      "paper: the defaults; reference: the authors' code as written; options that are given "
      "themselves win",
      {.choices = {"paper", "reference"}, .fixed_once_learned = true});
  replay_.add_options(options, "ilora");
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
  options.add("ilora.warm_up", &warm_up_, "lambda is at most 1-1/(k+1) at step k",
              {.source = "reference code"});
  options.add("ilora.warm_up_per", &warm_up_per_, "k counts the steps of the run, or of the task",
              {.choices = {"run", "task"}, .source = "ours; the reference code counts per task"});
  options.add("ilora.layers", &layers_,
              "hidden states compared: 0 embedding .. L after the final norm; -1: L, -2: L-1; "
              "empty: all",
              {.source = "ours; the reference code takes all"});
  options.add("ilora.positions", &positions_, "positions compared",
              {.choices = {"answer", "all"}, .source = "ours; the reference code takes all"});
  options.add("ilora.one_sided", &one_sided_, "only where the slow state is larger",
              {.source = "reference code: true"});
  options.add("ilora.normalise", &normalise_, "divide by the slow states' mean square",
              {.source = "ours"});
  // Probes are of the learner that answers.
  options.add("ilora.deploy", &deploy_, "the learner that answers",
              {.choices = {"slow", "fast"}, .source = "paper", .fixed_once_learned = true});
  options.add_preset("ilora.preset", kReference);
}

void InterpolationLora::check(const ModelConfig& config) const {
  if (lambda_ < 0 && lambda_ != -1) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[ilora] expected 0 to 1, or -1, got {} (ilora.lambda)", lambda_),
                "-1 takes it from ilora.half_life.");
  }
  replay_.check();
  consistency_layers(config.layers);
}

Footprint InterpolationLora::footprint(const ModelConfig& config, int64_t) const {
  Footprint needed = {.vectors = 1};  // the slow learner
  if (gamma_ != 0) needed.losses = {consistency(config.layers, 0)};
  return needed;
}

void InterpolationLora::begin_task(Run& run) {
  if (run.find(kSlow) == nullptr) run.add_copy_of_fast(kSlow);
}

std::vector<int64_t> InterpolationLora::consistency_layers(int64_t top) const {
  std::vector<int64_t> layers;
  if (layers_.empty()) {
    for (int64_t l = 0; l <= top; ++l) layers.push_back(l);
  }
  for (const int64_t l : layers_) {
    const int64_t layer = l < 0 ? top + 1 + l : l;
    if (layer < 0 || layer > top) {
      throw Error(
          ErrorKind::kUsage,
          fmt::format("[ilora] layer {} of ilora.layers is not in this model", l),
          fmt::format("Hidden states are 0 .. {}, or -1 .. -{} from the top.", top, top + 1));
    }
    if (std::ranges::find(layers, layer) == layers.end()) layers.push_back(layer);
  }
  return layers;
}

Loss InterpolationLora::consistency(int64_t top, int teacher) const {
  return {.kind = LossKind::kConsistency,
          .weight = gamma_,
          .teacher = teacher,
          .parameters = {.layers = consistency_layers(top),
                         .positions = positions_ == "all" ? Positions::kAll : Positions::kLabelled,
                         .one_sided = one_sided_,
                         .normalise = normalise_}};
}

Pass InterpolationLora::plan(Run& run, const std::vector<const Row*>& current) {
  Pass pass = Method::plan(run, current);
  if (!replay_.add_to(pass, run) || gamma_ == 0) return pass;
  Segment& fast = pass.segments.back();
  const auto teacher = static_cast<int>(pass.segments.size());  // the slow segment, which follows
  fast.losses.push_back(consistency(run.config().layers, teacher));
  Segment slow;
  slow.rows = fast.rows;
  slow.uses = {{run.find(kSlow), 1.0, {}}};
  slow.labels = fast.labels;
  pass.segments.push_back(slow);
  return pass;
}

double InterpolationLora::lambda(const Position& position) const {
  const double steps = half_life_ * static_cast<double>(position.task_steps);
  const double fixed = lambda_ >= 0 ? lambda_ : std::exp2(-1.0 / steps);
  if (!warm_up_) return fixed;
  const auto k = static_cast<double>(warm_up_per_ == "run" ? position.step : position.task_step);
  return std::min(1.0 - 1.0 / (k + 1.0), fixed);
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
