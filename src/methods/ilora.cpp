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
//
// That is the paper's form and the default. Options change what is compared (kl), how l moves (merge),
// how it begins (warm_up_power), and which learner answers: l, w, a younger average of w, or the point
// between l and w that answers held-out rows best. docs/methods.md has their equations.
#include <algorithm>
#include <cmath>

#include "continual/block_merge.h"
#include "continual/keeps_rows.h"
#include "continual/path_point.h"
#include "continual/replay.h"
#include "methods/registry.h"

namespace ilora {
namespace {

constexpr const char* kSlow = "slow";
constexpr const char* kYoung = "young";
constexpr const char* kPoint = "point";

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
  void end_task(Run& run) override;
  std::string deployed() const override;
  void visit(StateVisitor& visitor) override;
  int64_t forget(const RowFilter& leaves) override {
    return replay_.forget(leaves) + path_.forget(leaves);
  }

 private:
  void add_average_options(OptionList& options);
  void add_consistency_options(OptionList& options);
  void add_deployment_options(OptionList& options);
  bool averages_steps() const { return merge_ == "steps"; }
  bool has_young() const { return deploy_half_life_ > 0; }
  bool has_point() const { return point_ == "memory"; }
  double lambda(const Position& position) const;
  Loss consistency(int64_t top, int teacher) const;
  Loss divergence(const LossOptions& labels, int teacher) const;
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
  double warm_up_power_ = 0;
  std::string consistency_ = "hidden";
  double temperature_ = 2;
  double deploy_half_life_ = 0;
  std::string merge_ = "steps";
  int64_t merge_rows_ = 32;
  BlockMerge merging_;
  std::string point_ = "none";
  int64_t point_rows_ = 16;
  bool point_restart_ = false;
  PathPoint path_;
};

void InterpolationLora::add_options(OptionList& options) {
  options.add(
      "ilora.preset", &preset_,
      "paper: the defaults; reference: the authors' code as written; options that are given "
      "themselves win",
      {.choices = {"paper", "reference"}, .fixed_once_learned = true});
  replay_.add_options(options, "ilora");
  add_average_options(options);
  add_consistency_options(options);
  add_deployment_options(options);
  options.add_preset("ilora.preset", kReference);
}

// How the slow learner follows the fast one.
void InterpolationLora::add_average_options(OptionList& options) {
  options.add("ilora.half_life", &half_life_,
              "tasks after which half of the slow learner is replaced; gives lambda from the "
              "current task's steps",
              {.min = 0, .above_min = true, .source = "ours: free of the number of steps"});
  options.add("ilora.lambda", &lambda_,
              "the share of itself that the slow learner keeps per step; -1: by half_life",
              {.min = -1, .max = 1});
  options.add("ilora.warm_up", &warm_up_,
              "lambda is at most 1-(1+p)/(k+1+p) at step k, p: warm_up_power",
              {.source = "reference code, with p 0"});
  options.add("ilora.warm_up_per", &warm_up_per_, "k counts the steps of the run, or of the task",
              {.choices = {"run", "task"}, .source = "ours; the reference code counts per task"});
  options.add(
      "ilora.warm_up_power", &warm_up_power_,
      "while warm-up lasts step k counts as k^power in the average; 0: all alike, the start "
      "included",
      {.min = 0, .max = 1000, .source = "Shamir and Zhang 2013; 0: reference code"});
  options.add(
      "ilora.merge", &merge_,
      "steps: the slow learner follows every step, by lambda; fisher: it stands still while "
      "a task is learned, and then each block follows by its Fisher information",
      {.choices = {"steps", "fisher"},
       .source = "paper; fisher: after Lee et al. 2017",
       .fixed_once_learned = true});
  options.add("ilora.merge_rows", &merge_rows_,
              "training rows of a task that merge: fisher measures on",
              {.min = 1, .source = "ours"});
}

// What the two learners are compared by.
void InterpolationLora::add_consistency_options(OptionList& options) {
  options.add("ilora.gamma", &gamma_,
              "weight of the consistency term; 0: none, and no slow forward",
              {.min = 0, .source = "reference code"});
  options.add("ilora.consistency", &consistency_,
              "hidden: squared distance of hidden states; kl: divergence of what is predicted, on "
              "rows of earlier tasks that the slow learner predicts no worse",
              {.choices = {"hidden", "kl"}, .source = "paper; kl: ours"});
  options.add("ilora.temperature", &temperature_, "of both predictions, for consistency: kl",
              {.min = 0, .above_min = true, .source = "Hinton et al. 2015"});
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
}

// Which learner answers. Probes are of that one, so it stays the same.
void InterpolationLora::add_deployment_options(OptionList& options) {
  options.add("ilora.deploy", &deploy_, "the learner that answers",
              {.choices = {"slow", "fast"}, .source = "paper", .fixed_once_learned = true});
  options.add("ilora.deploy_half_life", &deploy_half_life_,
              "above 0: a third learner answers in the slow one's place, an average of the fast "
              "one's steps of the task, half of it replaced after this share of a task",
              {.min = 0, .source = "ours", .fixed_once_learned = true});
  options.add("ilora.point", &point_,
              "memory: the point between slow and fast learner answers that predicts held-out rows "
              "best, chosen after each task",
              {.choices = {"none", "memory"}, .source = "ours", .fixed_once_learned = true});
  options.add("ilora.point_rows", &point_rows_,
              "training rows of each task that are never replayed, for point: memory",
              {.min = 2, .source = "ours", .fixed_once_learned = true});
  options.add("ilora.point_restart", &point_restart_,
              "both learners go on from the point with each task", {.source = "ours"});
}

void InterpolationLora::check(const ModelConfig& config) const {
  if (lambda_ < 0 && lambda_ != -1) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[ilora] expected 0 to 1, or -1, got {} (ilora.lambda)", lambda_),
                "-1 takes it from ilora.half_life.");
  }
  if ((has_young() || has_point()) && deploy_ != kSlow) {
    throw Error(
        ErrorKind::kUsage,
        fmt::format("[ilora] the {} learner is to answer (ilora.deploy), and {} makes another "
                    "one answer",
                    deploy_, has_point() ? "ilora.point" : "ilora.deploy_half_life"),
        "Give one of them.");
  }
  if (has_young() && has_point()) {
    throw Error(ErrorKind::kUsage,
                "[ilora] ilora.deploy_half_life and ilora.point both say which learner answers",
                "Give one of them.");
  }
  if (point_restart_ && !has_point()) {
    throw Error(ErrorKind::kUsage, "[ilora] ilora.point_restart needs a point to begin from",
                "Set ilora.point to memory.");
  }
  replay_.check();
  consistency_layers(config.layers);
}

Footprint InterpolationLora::footprint(const ModelConfig& config, int64_t) const {
  Footprint needed = {.vectors = 1};  // the slow learner
  if (has_young() || has_point()) ++needed.vectors;
  if (!averages_steps()) {  // Fisher information, and the rows' gradients that it comes from
    needed.vectors += 1 + Run::kSequencesAtOnce;
    needed.segments = Run::kSequencesAtOnce;
  }
  if (gamma_ != 0) {
    needed.losses = {consistency_ == "kl" ? divergence({}, 0) : consistency(config.layers, 0)};
  }
  return needed;
}

std::string InterpolationLora::deployed() const {
  if (has_point()) return kPoint;
  return has_young() ? kYoung : deploy_;
}

void InterpolationLora::begin_task(Run& run) {
  if (run.find(kSlow) == nullptr) run.add_copy_of_fast(kSlow);
  for (const char* name : {has_young() ? kYoung : nullptr, has_point() ? kPoint : nullptr}) {
    if (name != nullptr && run.find(name) == nullptr) run.add_copy_of_fast(name);
  }
  if (has_point()) {
    if (path_.tasks() == run.position.task) path_.hold(run, point_rows_);
    replay_.left_out = [this](const Row& row) { return path_.holds(row); };
  }
  if (run.position.task_step > 0) return;  // a run that resumes has its learners as they were
  const Kernels& k = run.kernels();
  if (point_restart_ && run.position.task > 0) {
    for (Adapter* learner : {&run.fast(), run.find(kSlow)})
      k.convert(learner->values(), run.find(kPoint)->values());
  }
  if (has_young()) k.convert(run.find(kYoung)->values(), run.fast().values());
}

void InterpolationLora::end_task(Run& run) {
  Adapter& slow = *run.find(kSlow);
  if (!averages_steps()) merging_.merge(run, slow, merge_rows_);
  if (has_point()) path_.choose(run, *run.find(kPoint), slow, run.fast());
}

void InterpolationLora::visit(StateVisitor& visitor) {
  replay_.visit(visitor, "ilora.memory");
  if (!averages_steps()) merging_.visit(visitor, "ilora.merge");
  if (has_point()) path_.visit(visitor, "ilora.point");
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

// What lwf's distillation is, with the slow learner for its teacher.
Loss InterpolationLora::divergence(const LossOptions& labels, int teacher) const {
  return {.kind = LossKind::kLogitDistillation,
          .weight = gamma_,
          .teacher = teacher,
          .parameters = {
              .reduction = labels.reduction, .temperature = temperature_, .only_better = true}};
}

Pass InterpolationLora::plan(Run& run, const std::vector<const Row*>& current) {
  Pass pass = Method::plan(run, current);
  if (!replay_.add_to(pass, run) || gamma_ == 0) return pass;
  Segment& fast = pass.segments.back();
  const auto teacher = static_cast<int>(pass.segments.size());  // the slow segment, which follows
  if (consistency_ == "kl") {
    fast.losses.push_back(divergence(run.loss, teacher));
    // Of a task that is being learned the slow learner knows less.
    for (const Row* row : fast.rows)
      fast.losses.back().row_weights.push_back(row->task < run.position.task ? 1.0F : 0.0F);
  } else {
    fast.losses.push_back(consistency(run.config().layers, teacher));
  }
  Segment slow;
  slow.rows = fast.rows;
  slow.uses = {{run.find(kSlow), 1.0, {}}};
  slow.labels = fast.labels;
  pass.segments.push_back(slow);
  return pass;
}

// What an average keeps of itself per step, so that half of it is new after `half_life` tasks.
double share_kept(double half_life, const Position& position) {
  return std::exp2(-1.0 / (half_life * static_cast<double>(position.task_steps)));
}

double InterpolationLora::lambda(const Position& position) const {
  const double fixed = lambda_ >= 0 ? lambda_ : share_kept(half_life_, position);
  if (!warm_up_) return fixed;
  const auto k = static_cast<double>(warm_up_per_ == "run" ? position.step : position.task_step);
  return std::min(1.0 - (1.0 + warm_up_power_) / (k + 1.0 + warm_up_power_), fixed);
}

void InterpolationLora::after_update(Run& run, const std::vector<const Row*>& current) {
  const Kernels& k = run.kernels();
  const Tensor slow = run.find(kSlow)->values(), fast = run.fast().values();
  if (averages_steps()) {
    const double share = lambda(run.position);
    k.interpolate(slow, fast, share);
    run.report("lambda", share);
  }
  run.report("distance", std::sqrt(k.squared_distance(fast, slow)));
  if (has_young()) {
    const double share = share_kept(deploy_half_life_, run.position);
    k.interpolate(run.find(kYoung)->values(), fast, share);
    run.report("deploy_lambda", share);
  }
  replay_.remember(run, current);
  if (has_point()) run.report("held_bytes", static_cast<double>(path_.bytes()));
}

}  // namespace

std::unique_ptr<Method> make_ilora() {
  return std::make_unique<InterpolationLora>();
}

}  // namespace ilora
