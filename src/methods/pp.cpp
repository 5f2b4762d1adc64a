// pp: progressive prompts (Razdaibiedina et al. 2023, "Progressive prompts: continual learning for
// language models", arXiv 2301.12314).
//
//   task t trains P_t alone:  loss = cross-entropy of the answer behind [P_t; P_{t-1}; ...; P_1; x]
//
// P_1 .. P_{t-1} and the model are frozen. Task s is answered behind [P_s; ...; P_1; x]: its
// identity is needed, and nothing can be forgotten, by construction. The fast learner is P_t; each
// earlier prompt is a frozen learner of its own. The paper's optional residual network around a
// prompt while it is trained is left out.
#include <algorithm>

#include "methods/registry.h"

namespace ilora {
namespace {

class ProgressivePrompts : public Method {
 public:
  void add_options(OptionList& options) override;
  LoraOptions adapter(LoraOptions options) const override;
  double rate_factor() const override { return rate_factor_; }
  Footprint footprint(const ModelConfig&, int64_t tasks) const override {
    return {.vectors = tasks, .soft_prompts = tasks * length_};
  }
  void begin_task(Run& run) override;
  Pass plan(Run& run, const std::vector<const Row*>& current) override;
  void end_task(Run& run) override;
  std::vector<std::string> scored(const Run&) const override { return {"fast"}; }
  bool answers_by_task() const override { return true; }
  Answerer answer_with(Run& run, const std::string& learner, int64_t task) override;
  std::vector<Exported> exported(Run& run) override;

 private:
  // The prompts of the first `count` tasks, the latest first.
  static Uses earlier(Run& run, int64_t count);
  static int64_t learned(const Run& run) {
    return static_cast<int64_t>(run.learners().size()) - 1;  // all but the fast one
  }
  // All prompts of `count` tasks.
  Prefix all(int64_t count) const { return Prefix::first(count * length_); }

  int64_t length_ = 20;
  double rate_factor_ = 30;
  Adapter joined_;  // what exported() shows
};

std::string name_of(int64_t task) {
  return fmt::format("prompt-{:02}", task);  // from 1
}

void ProgressivePrompts::add_options(OptionList& options) {
  options.add(
      "pp.length", &length_, "rows of each task's soft prompt",
      {.min = 1, .source = "reference code's 20; the paper's 10", .fixed_once_learned = true});
  options.add("pp.rate_factor", &rate_factor_, "train.learning_rate is multiplied by this",
              {.min = 0,
               .above_min = true,
               .source = "ours: soft prompts want a higher rate than LoRA; the paper's code has "
                         "0.3 for T5"});
}

LoraOptions ProgressivePrompts::adapter(LoraOptions options) const {
  options.targets = {};
  options.prompts = {length_, 0, 0};
  return options;
}

Uses ProgressivePrompts::earlier(Run& run, int64_t count) {
  Uses uses;
  for (int64_t t = count; t >= 1; --t) uses.push_back({run.find(name_of(t)), 1.0, {}});
  return uses;
}

void ProgressivePrompts::begin_task(Run& run) {
  if (run.position.task_step > 0) return;  // resumed inside the task
  const Adapter& fast = run.fast();
  run.fill_with_embeddings(
      soft_prompts(fast.values(), fast.layout()),
      Random(run.seed, Stream::kAdapterInit, static_cast<uint64_t>(run.position.task)));
}

Pass ProgressivePrompts::plan(Run& run, const std::vector<const Row*>& current) {
  Pass pass = Method::plan(run, current);
  Segment& segment = pass.segments.front();
  const Uses frozen = earlier(run, learned(run));
  segment.uses.insert(segment.uses.end(), frozen.begin(), frozen.end());
  segment.prefixes = {all(learned(run) + 1)};
  return pass;
}

void ProgressivePrompts::end_task(Run& run) {
  run.add_copy_of_fast(name_of(run.position.task + 1));
}

Answerer ProgressivePrompts::answer_with(Run& run, const std::string& learner, int64_t task) {
  static_cast<void>(learner);
  // A task that is yet to be learned is answered with all that there is; before any, by the base
  // model.
  const int64_t count = std::min(task + 1, learned(run));
  if (count == 0) return {};
  return {earlier(run, count), [prefix = all(count)](std::span<const int32_t>) { return prefix; }};
}

// One adapter [P_t; ...; P_1]: the order in which PEFT's prompt tuning puts its rows.
std::vector<Exported> ProgressivePrompts::exported(Run& run) {
  LoraOptions options = run.fast().options();
  options.prompts.rows = learned(run) * length_;
  joined_ = Adapter(run.config(), options);
  int64_t at = 0;
  for (const AdapterUse& use : earlier(run, learned(run))) {
    const Tensor values = use.adapter->values();
    run.kernels().convert(joined_.values().rows(at, at + values.size()), values);
    at += values.size();
  }
  return {{"fast", &joined_}};
}

}  // namespace

std::unique_ptr<Method> make_pp() {
  return std::make_unique<ProgressivePrompts>();
}

}  // namespace ilora
