// ilora bench methods: what a step of each method costs, beside one of `seq`, and what the passes
// that it runs imply.
//
// Every method takes steps of a second task, when replay, penalties and projections are at work, on
// the same rows, in turn with `seq` in one process. A token with gradient counts 2 (forward, and
// backward without gradients of frozen weights), one without 1; soft prompts are tokens.
#include <iostream>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/parallel.h"
#include "cli/bench_rows.h"
#include "cli/bench_steps.h"
#include "cli/command.h"
#include "cli/gemm_rate.h"
#include "train/environment.h"

namespace ilora {
namespace {

struct MethodsArguments {
  std::string model, mode = "auto";
  std::vector<std::string> methods, settings;
  int64_t rows = 8, tokens = 128;
  Pacing pacing;
  bool json = false;
};

// Of the first task, by which memories and importance are made.
constexpr int64_t kEarlierRows = 64;
constexpr const char* kYardstick = "seq";

void configure(Configuration& configuration, const std::string& method, const MethodsArguments& a) {
  configuration.recipe.model = a.model;
  configuration.recipe.mode = a.mode;
  configuration.set(a.settings);
  configuration.recipe.method = method;
}

Adapter adapter_of(const Recipe& recipe, const Method& method, const ModelConfig& config) {
  Adapter adapter(config, method.adapter(recipe.lora));
  adapter.initialise(1, 0);
  return adapter;
}

// A method in its second task. A configuration of its own, since methods keep state; the rows
// outlive the stepper.
class Stepper {
 public:
  Stepper(Configuration& configuration, Workbench& bench, const std::vector<Row>& earlier,
          const std::vector<Row>& current)
      : task_(configuration.recipe, configuration.method(), bench,
              adapter_of(configuration.recipe, configuration.method(), bench.model.config()),
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

struct MethodCost {
  std::string method;
  double seconds = 0;   // of a step
  double measured = 0;  // that over seq's in the same turns: the median of their ratios
  double implied = 0;   // by the passes
};

MethodCost measure(const std::string& method, const MethodsArguments& a, Workbench& bench,
                   const std::vector<Row>& earlier, const std::vector<Row>& current) {
  Configuration ours, yardstick;
  configure(ours, method, a);
  configure(yardstick, kYardstick, a);
  Stepper stepper(ours, bench, earlier, current), seq(yardstick, bench, earlier, current);
  std::vector<double> seconds, ratios;
  for (int i = 0; i < a.pacing.warm_up + a.pacing.repeat; ++i) {
    const double began = seconds_now();
    seq.step();
    const double between = seconds_now();
    stepper.step();
    const double ended = seconds_now();
    if (i < a.pacing.warm_up) continue;
    seconds.push_back(ended - between);
    ratios.push_back((ended - between) / (between - began));
  }
  return {method, median(seconds), median(ratios), stepper.cost() / seq.cost()};
}

void bench_methods(const MethodsArguments& a) {
  Configuration base;
  configure(base, kYardstick, a);
  const ScopedThreads threads(base.recipe.threads);
  const LoadedModel model(base.recipe.model_options());
  Workbench bench(model, base.recipe);
  const std::vector<Row> earlier = made_up_rows(model.config(), kEarlierRows, a.tokens, 0),
                         current = made_up_rows(model.config(), a.rows, a.tokens, kEarlierRows);
  std::vector<std::string> names = a.methods;
  if (names.empty())
    for (const MethodEntry& entry : methods()) names.emplace_back(entry.name);
  Json list = Json::array();
  if (!a.json)
    std::cout << "| method | seconds per step | counted | measured | measured / counted |\n"
                 "|---|---:|---:|---:|---:|\n";
  for (const std::string& name : names) {
    find_method(name);
    if (name == "zero-shot") continue;  // it takes no steps
    const MethodCost cost = measure(name, a, bench, earlier, current);
    list.push_back({{"method", name},
                    {"seconds_per_step", cost.seconds},
                    {"implied", cost.implied},
                    {"measured", cost.measured}});
    if (!a.json)
      std::cout << fmt::format("| `{}` | {:.3f} | {:.2f} | {:.2f} | {:.2f} |\n", name, cost.seconds,
                               cost.implied, cost.measured, cost.measured / cost.implied)
                << std::flush;
  }
  if (a.json)
    std::cout << json_text({{"rows", a.rows},
                            {"tokens", a.tokens},
                            {"methods", list},
                            {"environment", environment_json(model.mode())}})
              << "\n";
}

}  // namespace

void add_bench_methods(CLI::App* bench) {
  CLI::App* command =
      bench->add_subcommand("methods", "a step of each method beside one of seq, in a second task");
  auto a = std::make_shared<MethodsArguments>();
  command->add_option("--model", a->model, "a GGUF file or a Hugging Face folder")->required();
  command->add_option("--methods", a->methods, "comma-separated; default: all that train")
      ->delimiter(',');
  add_mode(*command, a->mode);
  command->add_option("--rows", a->rows, "rows of a step")->check(above_zero());
  command->add_option("--tokens", a->tokens, "tokens of a row, the last 16 labelled")
      ->check(CLI::Range(int64_t{17}, int64_t{1} << 20));
  command->add_option("--set", a->settings, "key=value (repeatable)")->allow_extra_args(false);
  command->add_option("--repeat", a->pacing.repeat, "turns; the median counts")
      ->check(above_zero());
  command->add_flag("--json", a->json, "print JSON");
  command->callback([a] { bench_methods(*a); });
}

}  // namespace ilora
