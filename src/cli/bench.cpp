// ilora bench gemm|step|eval|generate: how fast this machine is, and how much of that a training
// step uses (eval and generate: bench_answers.cpp; methods: bench_methods.cpp).
//
// `step` runs a method's own hooks on made-up rows of 256 tokens, the last 16 labelled, or on rows
// and adapters from files; er and ilora replay half of the made-up ones.
#include <iostream>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/parallel.h"
#include "cli/bench_rows.h"
#include "cli/bench_steps.h"
#include "cli/command.h"
#include "cli/gemm_rate.h"
#include "cli/profile_table.h"
#include "model/losses/loss_rules.h"
#include "model/peft.h"
#include "train/environment.h"

namespace ilora {
namespace {

struct BenchArguments {
  std::string model, method = "seq", mode = "auto";
  std::string rows, adapter, slow, dump;
  std::vector<std::string> settings;
  int64_t tokens = 2048;
  Pacing pacing;
  bool json = false, profile = false;
};

// Whether the last block is computed above its attention at labelled positions alone (top_rows.h).
bool narrow_top(const Pass& pass, const ModelConfig& c) {
  for (const Segment& s : pass.segments) {
    for (const Loss& loss : s.losses) {
      const auto positions = loss_rules(loss.kind).top_positions(loss, c.layers);
      if (loss.weight != 0 && positions == Positions::kAll) return false;
    }
    for (const AdapterUse& use : s.uses) {
      for (const Module m : kAboveAttention) {
        if (use.adapter->layout().find(c.layers - 1, m) != nullptr) return false;
      }
    }
  }
  return true;
}

// How often the head multiplies a labelled position of a segment: forward, and back where it has
// gradient; and what its losses ask for beside that.
double head_products(const Segment& s) {
  double products = reads_logits(s) ? (s.has_gradient() ? 2.0 : 1.0) : 0.0;
  for (const Loss& loss : s.losses) {
    if (loss.weight != 0)
      products += static_cast<double>(loss_rules(loss.kind).more_head_products(loss));
  }
  return products;
}

// FLOPs of the base GEMMs of a pass, as far as they are computed: forward, dX down to the lowest
// trained layer, head at labelled positions.
double gemm_flops(const Pass& pass, const ModelConfig& c) {
  const auto layer = static_cast<double>(c.layer_gemm_parameters());
  const auto attention_inputs = static_cast<double>(c.width * (c.query_width() + 2 * c.kv_width()));
  const auto layers = static_cast<double>(c.layers);
  const bool narrow = narrow_top(pass, c);
  double flops = 0;
  for (const Segment& s : pass.segments) {
    const double directions = s.has_gradient() ? 4.0 : 2.0;
    const double head = 2.0 * head_products(s) * static_cast<double>(c.vocabulary * c.width);
    for (size_t r = 0; r < s.rows.size(); ++r) {
      const auto tokens = static_cast<double>(s.fed_length(static_cast<int64_t>(r)));
      const auto labels = static_cast<double>(s.rows[r]->label_count(s.labels));
      flops += directions * tokens * layer * layers;
      if (s.has_gradient()) flops -= 2 * tokens * attention_inputs;  // layer 0: no dX of its input
      if (narrow) flops -= directions * (tokens - labels) * (layer - attention_inputs);
      flops += head * labels;
    }
  }
  return flops;
}

// A pass's loss and its terms, by name.
Json losses_json(const PassReport& report) {
  Json json = {{"loss", report.total()}};
  for (size_t i = 0; i < kLossKinds; ++i)
    json[loss_rules(static_cast<LossKind>(i)).name] = report.terms.values[i];
  return json;
}

// Puts an adapter from a folder in the slow learner's place.
void set_slow(Run& run, const BenchArguments& a) {
  Adapter* slow = run.find("slow");
  if (slow == nullptr) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[bench] method {} has no slow learner (--slow)", a.method));
  }
  run.kernels().convert(slow->values(), load_peft(a.slow, run.config()).values());
}

Json bench_step(const BenchArguments& a) {
  Configuration configuration;
  Recipe& recipe = configuration.recipe;
  recipe.model = a.model;
  recipe.mode = a.mode;
  recipe.method = a.method;
  recipe.profile = a.profile;
  if (!a.adapter.empty()) recipe.lora = load_peft_options(a.adapter);
  Method& method = configuration.method();

  configuration.set(a.settings);
  const ScopedThreads threads(recipe.threads);
  ModelFiles files = open_model(recipe.model_options());
  const BenchRows rows = a.rows.empty() ? made_up_rows(files.config(), a.tokens)
                                        : read_bench_rows(a.rows, files.config());
  const LoadedModel model(std::move(files), recipe.model_options());
  const ModelConfig& config = model.config();
  Workbench bench(model, recipe);
  Adapter adapter = a.adapter.empty() ? Adapter(config, method.adapter(recipe.lora))
                                      : load_peft(a.adapter, config);
  if (a.adapter.empty()) adapter.initialise(1, 0);
  const std::vector<const Row*> earlier = row_pointers(rows.replayed);
  SecondTask task(recipe, method, bench, std::move(adapter), earlier, row_pointers(rows.current));
  if (!a.slow.empty()) set_slow(task.run(), a);
  // Where a step does not replay, the rows meant for that are current ones too.
  if (task.plan().segments.size() == 1) task.add_current(earlier);
  if (!a.dump.empty()) {
    return losses_json(dump_gradient(task.run(), task.plan(), a.dump));
  }

  const int gemm_repeat = 2 * a.pacing.repeat;
  const double peak = best_gflops(measure_gemm(cpu_kernels(), model.gemm_type(), gemm_repeat));
  double flops = 0;
  int64_t tokens = 0;
  const auto work = [&] {
    task.step(1e-4, [&](const Pass& pass) {
      flops = gemm_flops(pass, config);
      tokens = trained_tokens(pass);
    });
  };
  const std::vector<double> seconds = repeat_timed(a.pacing, work, [&] {
    if (bench.profile) bench.profile->clear();
  });
  const double step = median(seconds);
  Json json = {
      {"model", config.name},
      {"method", a.method},
      {"mode", model.mode()},
      {"tokens", tokens},
      {"seconds_per_step", step},
      {"tokens_per_second", static_cast<double>(tokens) / step},
      {"gemm_flops", flops},
      {"gemm_peak_gflops", peak},
      {"utilization", flops / step / (peak * 1e9)},
      {"activations_mib", static_cast<double>(bench.engine.arena().capacity()) / (1 << 20)},
      {"weights_mib", static_cast<double>(model.weights.bytes()) / (1 << 20)},
      {"peak_rss_mib", peak_memory_mib()},
      {"environment", environment_json(model.mode())}};
  if (a.profile) {
    json["profile"] =
        profile_json(bench.profile->entries(), std::accumulate(seconds.begin(), seconds.end(), 0.0),
                     peak, config, {recipe.lora.rank});
  }
  return json;
}

void print_facts(const Json& json) {
  for (const auto& [key, value] : json.items()) {
    if (!value.is_object())
      std::cout << fmt::format("{:<18} {}\n", key,
                               value.is_string() ? value.get<std::string>() : value.dump());
  }
  if (json.contains("profile")) std::cout << "\n" << profile_text(json.at("profile"));
}

}  // namespace

void add_bench(CLI::App& app) {
  CLI::App* command = app.add_subcommand("bench", "measure GEMM, training steps and answers");
  command->require_subcommand(1);
  auto a = std::make_shared<BenchArguments>();

  CLI::App* gemm = command->add_subcommand("gemm", "GEMM rate of six fixed shapes");
  add_mode(*gemm, a->mode);
  gemm->add_option("--repeat", a->pacing.repeat, "repetitions; the median counts")
      ->check(above_zero());
  gemm->add_flag("--json", a->json, "print JSON");
  gemm->callback([a] {
    const DType type = gemm_type_of(a->mode);
    Json json = {{"mode", type == DType::kBF16 ? "bf16" : "f32"}, {"shapes", Json::array()}};
    const std::vector<GemmRate> rates = measure_gemm(cpu_kernels(), type, a->pacing.repeat);
    for (const GemmRate& r : rates) {
      json["shapes"].push_back({{"m", r.m}, {"n", r.n}, {"k", r.k}, {"gflops", r.gflops}});
      if (!a->json)
        std::cout << fmt::format("{:>5} x {:>5} x {:>5}  {:8.1f} GFLOP/s\n", r.m, r.n, r.k,
                                 r.gflops);
    }
    json["gemm_peak_gflops"] = best_gflops(rates);
    json["environment"] = environment_json(json["mode"]);
    if (a->json) std::cout << json_text(json) << "\n";
  });

  CLI::App* step =
      command->add_subcommand("step", "a training step's speed and its share of the GEMM rate");
  step->add_option("--model", a->model, "a GGUF file or a Hugging Face folder")->required();
  step->add_option("--method", a->method, "seq, er, ilora, ...");
  add_mode(*step, a->mode);
  step->add_option("--tokens", a->tokens, "tokens with gradient per step")->check(above_zero());
  step->add_option("--rows", a->rows, "JSON file of token rows: \"current\" and \"replayed\"");
  step->add_option("--adapter", a->adapter, "a PEFT folder to start from");
  step->add_option("--slow", a->slow, "a PEFT folder for the slow learner");
  step->add_option("--set", a->settings, "key=value (repeatable)")->allow_extra_args(false);
  step->add_option("--dump", a->dump,
                   "write the first step's gradient as a PEFT folder, tell its loss, and stop");
  step->add_option("--repeat", a->pacing.repeat, "repetitions; the median counts")
      ->check(above_zero());
  step->add_flag("--profile", a->profile, "time per operation, over the repetitions");
  step->add_flag("--paced", a->pacing.paced,
                 "one repetition for each line on standard input, which it answers");
  step->add_flag("--json", a->json, "print JSON");
  step->callback([a] {
    const Json json = bench_step(*a);
    if (a->json) {
      std::cout << json_text(json) << "\n";
    } else {
      print_facts(json);
    }
  });
  add_bench_answers(command);
  add_bench_methods(command);
}

}  // namespace ilora
