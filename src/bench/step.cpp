#include "bench/step.h"

#include "base/error.h"
#include "base/json.h"
#include "base/parallel.h"
#include "bench/flops.h"
#include "bench/gemm_rate.h"
#include "bench/rows.h"
#include "bench/second_task.h"
#include "model/losses/loss_rules.h"
#include "model/peft.h"
#include "train/environment.h"

namespace ilora {
namespace {

// A method with a model, rows and adapters, ready for the steps of its second task.
struct Setup {
  explicit Setup(const StepBench& b)
      : method(chosen(configuration, b)),
        threads(recipe.threads),
        files(open_model(recipe.model_options())),
        rows(b.rows.empty() ? made_up_rows(files.config(), b.tokens)
                            : read_bench_rows(b.rows, files.config())),
        model(std::move(files), recipe.model_options()),
        bench(model, recipe),
        task(recipe, method, bench, first_adapter(b), row_pointers(rows.replayed),
             row_pointers(rows.current)) {
    if (!b.slow.empty()) set_slow(b);
    // Where a step does not replay, the rows meant for that are current ones too.
    if (task.plan().segments.size() == 1) task.add_current(row_pointers(rows.replayed));
  }
  Setup(const Setup&) = delete;

  static Method& chosen(Configuration& configuration, const StepBench& b) {
    configuration.recipe.method = b.method;
    if (!b.adapter.empty()) configuration.recipe.lora = load_peft_options(b.adapter);
    Method& method = configuration.method();
    configure(configuration, b.subject);
    return method;
  }

  Adapter first_adapter(const StepBench& b) const {
    if (!b.adapter.empty()) return load_peft(b.adapter, model.config());
    return initial_adapter(model.config(), method.adapter(recipe.lora));
  }

  void set_slow(const StepBench& b) {
    Run& run = task.run();
    Adapter* slow = run.find("slow");
    if (slow == nullptr) {
      throw Error(ErrorKind::kUsage,
                  fmt::format("[bench] method {} has no slow learner (--slow)", b.method));
    }
    run.kernels().convert(slow->values(), load_peft(b.slow, run.config()).values());
  }

  Configuration configuration;
  Recipe& recipe = configuration.recipe;
  Method& method;
  ScopedThreads threads;
  ModelFiles files;
  BenchRows rows;
  LoadedModel model;
  Workbench bench;
  SecondTask task;
};

double mib(int64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

}  // namespace

Json measure_step(const StepBench& b) {
  Setup setup(b);
  const LoadedModel& model = setup.model;
  const int gemm_repeat = 2 * b.subject.pacing.repeat;
  const double peak = best_gflops(measure_mode(model.mode(), gemm_repeat).rates);
  double flops = 0;
  int64_t tokens = 0;
  const std::vector<double> seconds = repeat_profiled(setup.bench, b.subject.pacing, [&] {
    setup.task.step(1e-4, [&](const Pass& pass) {
      flops = gemm_flops(pass, model.config());
      tokens = trained_tokens(pass);
    });
  });
  const double step = median(seconds);
  Json json = {{"model", model.config().name},
               {"method", b.method},
               {"mode", model.mode()},
               {"tokens", tokens},
               {"seconds_per_step", step},
               {"tokens_per_second", static_cast<double>(tokens) / step},
               {"gemm_flops", flops},
               {"gemm_peak_gflops", peak},
               {"utilization", flops / step / (peak * 1e9)},
               {"activations_mib", mib(setup.bench.engine.arena().capacity())},
               {"weights_mib", mib(model.weights.bytes())},
               {"peak_rss_mib", peak_memory_mib()},
               {"environment", environment_json(model.mode())}};
  if (b.subject.profile)
    json["profile"] = profile_of(setup.bench, seconds, peak, setup.recipe.lora.rank);
  return json;
}

Json dump_step(const StepBench& b, const std::filesystem::path& folder) {
  Setup setup(b);
  Run& run = setup.task.run();
  const PassReport report = run.run_step(setup.task.plan());
  const Adapter gradient(run.config(), run.fast().options());
  run.kernels().convert(gradient.values(), run.gradient());
  save_peft(folder, gradient, run.config().name);
  Json json = {{"loss", report.total()}};
  for (size_t i = 0; i < kLossKinds; ++i)
    json[loss_rules(static_cast<LossKind>(i)).name] = report.terms.values[i];
  return json;
}

}  // namespace ilora
