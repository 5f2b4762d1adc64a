#include "bench/methods.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/parallel.h"
#include "bench/gemm_rate.h"
#include "bench/rows.h"
#include "bench/second_task.h"
#include "train/environment.h"

namespace ilora {
namespace {

// Of the first task, by which memories and importance are made.
constexpr int64_t kEarlierRows = 64;
constexpr const char* kYardstick = "seq";

void choose(Configuration& configuration, const std::string& method, const MethodsBench& b) {
  configure(configuration, b.subject);
  configuration.recipe.method = method;
}

// A method in its second task. A configuration of its own, since methods keep state; the rows
// outlive the stepper.
class Stepper {
 public:
  Stepper(Configuration& configuration, Workbench& bench, const std::vector<Row>& earlier,
          const std::vector<Row>& current)
      : task_(configuration.recipe, configuration.method(), bench,
              initial_adapter(bench.model.config(),
                              configuration.method().adapter(configuration.recipe.lora)),
              row_pointers(earlier), row_pointers(current)) {}

  void step();
  double cost() const { return cost_; }  // of the last step: tokens, weighed as above

 private:
  SecondTask task_;
  double cost_ = 0;
};

void Stepper::step() {
  cost_ = 0;
  task_.step(1e-5, [&](const Pass& pass) {
    for (const Segment& segment : pass.segments) {
      for (size_t row = 0; row < segment.rows.size(); ++row)
        cost_ += (segment.has_gradient() ? 2.0 : 1.0) *
                 static_cast<double>(segment.fed_length(static_cast<int64_t>(row)));
    }
  });
  cost_ += 2.0 * static_cast<double>(task_.run().take_extra_tokens());
}

MethodCost measure(const std::string& method, const MethodsBench& b, Workbench& bench,
                   const std::vector<Row>& earlier, const std::vector<Row>& current) {
  Configuration ours, yardstick;
  choose(ours, method, b);
  choose(yardstick, kYardstick, b);
  Stepper stepper(ours, bench, earlier, current), seq(yardstick, bench, earlier, current);
  std::vector<double> seconds, ratios;
  for (int i = 0; i < b.subject.pacing.warm_up + b.subject.pacing.repeat; ++i) {
    const double began = seconds_now();
    seq.step();
    const double between = seconds_now();
    stepper.step();
    const double ended = seconds_now();
    if (i < b.subject.pacing.warm_up) continue;
    seconds.push_back(ended - between);
    ratios.push_back((ended - between) / (between - began));
  }
  return {method, median(seconds), median(ratios), stepper.cost() / seq.cost()};
}

}  // namespace

Json measure_methods(const MethodsBench& b, const std::function<void(const MethodCost&)>& each) {
  Configuration base;
  choose(base, kYardstick, b);
  const ScopedThreads threads(base.recipe.threads);
  const LoadedModel model(base.recipe.model_options());
  Workbench bench(model, base.recipe);
  const std::vector<Row> earlier = made_up_rows(model.config(), kEarlierRows, b.tokens, 0),
                         current = made_up_rows(model.config(), b.rows, b.tokens, kEarlierRows);
  std::vector<std::string> names = b.methods;
  if (names.empty())
    for (const MethodEntry& entry : methods()) names.emplace_back(entry.name);
  Json list = Json::array();
  for (const std::string& name : names) {
    find_method(name);
    if (name == "zero-shot" || name == "constant") continue;  // they take no steps
    const MethodCost cost = measure(name, b, bench, earlier, current);
    list.push_back({{"method", name},
                    {"seconds_per_step", cost.seconds},
                    {"implied", cost.implied},
                    {"measured", cost.measured}});
    each(cost);
  }
  return {{"rows", b.rows},
          {"tokens", b.tokens},
          {"methods", list},
          {"environment", environment_json(model.mode())}};
}

}  // namespace ilora
