// ilora bench gemm|step: how fast this machine is, and how much of that a training step uses.
//
// `step` runs a method's own hooks on made-up rows of 256 tokens, the last 16 labelled; er and
// ilora replay half of them.
#include <iostream>
#include <numeric>

#include "base/json.h"
#include "base/random.h"
#include "cli/command.h"
#include "cli/gemm_rate.h"
#include "cli/profile_table.h"
#include "train/environment.h"
#include "train/optimizer.h"
#include "train/workbench.h"

namespace ilora {
namespace {

struct BenchArguments {
  std::string model, method = "seq", dtype = "auto";
  int64_t tokens = 2048;
  int repeat = 5;
  bool json = false, profile = false;
};

constexpr int64_t kRowTokens = 256, kLabels = 16;

Row made_up_row(const ModelConfig& config, uint64_t id) {
  const Random random(1, Stream::kTest, id);
  Row row;
  row.id = id;
  for (uint64_t i = 0; i <= kRowTokens; ++i) {
    row.tokens.push_back(
        static_cast<int32_t>(random.below(i, static_cast<uint64_t>(config.vocabulary))));
  }
  row.prompt_length = kRowTokens + 1 - kLabels;
  return row;
}

// FLOPs of the base GEMMs of a pass: forward, dX down to the lowest trained layer, head at labelled
// positions.
double gemm_flops(const Pass& pass, const ModelConfig& c) {
  const auto layer = static_cast<double>(c.layer_gemm_parameters());
  const auto attention_inputs = static_cast<double>(c.width * (c.query_width() + 2 * c.kv_width()));
  const auto layers = static_cast<double>(c.layers);
  double flops = 0;
  for (const Segment& s : pass.segments) {
    for (const Row* row : s.rows) {
      const auto tokens = static_cast<double>(row->length());
      flops += 2 * tokens * layer * layers;
      if (s.has_gradient())
        flops +=
            2 * tokens * (layer * layers - attention_inputs);  // layer 0 needs no dX of its input
      if (s.cross_entropy != 0) {
        flops += (s.has_gradient() ? 4.0 : 2.0) *
                 static_cast<double>(row->labels(false) * c.vocabulary * c.width);
      }
    }
  }
  return flops;
}

Json bench_step(const BenchArguments& a) {
  Configuration configuration;
  Recipe& recipe = configuration.recipe;
  recipe.model = a.model;
  recipe.mode = a.dtype;
  recipe.method = a.method;
  recipe.max_tokens = 2 * a.tokens;  // the slow learner's rows come on top
  recipe.profile = a.profile;
  Method& method = configuration.method();
  const double peak = best_gflops(measure_gemm(cpu_kernels(), gemm_type_of(a.dtype), 2 * a.repeat));

  Workbench bench(recipe);
  const ModelConfig& config = bench.files.config();
  Adapter adapter(config, recipe.lora);
  adapter.initialise(1, 0);
  Run run(*bench.engine, std::move(adapter), 1);
  Optimizer optimizer(bench.kernels, recipe, run.fast().layout().size());

  const int64_t rows = std::max<int64_t>(a.tokens / kRowTokens, 2);
  std::vector<Row> made;
  for (int64_t i = 0; i < rows; ++i) made.push_back(made_up_row(config, static_cast<uint64_t>(i)));
  std::vector<const Row*> all;
  all.reserve(made.size());
  for (const Row& row : made) all.push_back(&row);
  // Fill what memory the method has, as the first task would, and go on in a second task.
  run.position.tasks = 2;
  run.position.task_steps = 100;
  method.begin_task(run);
  method.after_update(run, all);
  run.position.task = 1;
  run.position.epoch = 1;
  method.begin_task(run);
  const bool replays = method.plan(run, {all.front()}).segments.size() > 1;
  const std::vector<const Row*> current(all.begin(), all.begin() + (replays ? rows / 2 : rows));

  std::vector<double> seconds;
  double flops = 0;
  int64_t tokens = 0;
  constexpr int kWarmUp = 2;
  for (int i = 0; i < a.repeat + kWarmUp; ++i) {
    if (i == kWarmUp) clear_profile();
    const double began = seconds_now();
    bench.kernels.fill(run.gradient(), 0.0);
    const Pass pass = method.plan(run, current);
    run.run(pass, run.dropout_key());
    method.edit_gradient(run);
    optimizer.clip(run.gradient());
    optimizer.step(run.fast().values(), run.gradient(), 1e-4);
    ++run.position.step;
    method.after_update(run, current);
    if (i >= kWarmUp) seconds.push_back(seconds_now() - began);
    flops = gemm_flops(pass, config);
    tokens = 0;
    for (const Segment& s : pass.segments) {
      if (s.has_gradient()) tokens += static_cast<int64_t>(s.rows.size()) * kRowTokens;
    }
  }
  const double step = median(seconds);
  Json json = {
      {"model", config.name},
      {"method", a.method},
      {"dtype", bench.mode()},
      {"tokens", tokens},
      {"seconds_per_step", step},
      {"tokens_per_second", static_cast<double>(tokens) / step},
      {"gemm_flops", flops},
      {"gemm_peak_gflops", peak},
      {"utilization", flops / step / (peak * 1e9)},
      {"activations_mib", static_cast<double>(bench.engine->arena().capacity()) / (1 << 20)},
      {"weights_mib", static_cast<double>(bench.weights->bytes()) / (1 << 20)},
      {"peak_rss_mib", peak_memory_mib()},
      {"environment", environment_json(bench.mode())}};
  if (a.profile) {
    json["profile"] =
        profile_json(profile_entries(), std::accumulate(seconds.begin(), seconds.end(), 0.0), peak,
                     config, {recipe.lora.rank});
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
  CLI::App* command = app.add_subcommand("bench", "measure GEMM and training steps");
  command->require_subcommand(1);
  auto a = std::make_shared<BenchArguments>();

  CLI::App* gemm = command->add_subcommand("gemm", "GEMM rate of six fixed shapes");
  gemm->add_option("--dtype", a->dtype, "auto, f32 or bf16")
      ->check(CLI::IsMember({"auto", "f32", "bf16"}));
  gemm->add_option("--repeat", a->repeat, "repetitions; the median counts")
      ->check(CLI::PositiveNumber);
  gemm->add_flag("--json", a->json, "print JSON");
  gemm->callback([a] {
    const DType type = gemm_type_of(a->dtype);
    Json json = {{"dtype", type == DType::kBF16 ? "bf16" : "f32"}, {"shapes", Json::array()}};
    const std::vector<GemmRate> rates = measure_gemm(cpu_kernels(), type, a->repeat);
    for (const GemmRate& r : rates) {
      json["shapes"].push_back({{"m", r.m}, {"n", r.n}, {"k", r.k}, {"gflops", r.gflops}});
      if (!a->json)
        std::cout << fmt::format("{:>5} x {:>5} x {:>5}  {:8.1f} GFLOP/s\n", r.m, r.n, r.k,
                                 r.gflops);
    }
    json["gemm_peak_gflops"] = best_gflops(rates);
    json["environment"] = environment_json(json["dtype"]);
    if (a->json) std::cout << json.dump(2) << "\n";
  });

  CLI::App* step =
      command->add_subcommand("step", "a training step's speed and its share of the GEMM rate");
  step->add_option("--model", a->model, "a GGUF file or a Hugging Face folder")->required();
  step->add_option("--method", a->method, "seq, er, ilora, ...");
  step->add_option("--dtype", a->dtype, "auto, f32 or bf16")
      ->check(CLI::IsMember({"auto", "f32", "bf16"}));
  step->add_option("--tokens", a->tokens, "tokens with gradient per step")
      ->check(CLI::PositiveNumber);
  step->add_option("--repeat", a->repeat, "repetitions; the median counts")
      ->check(CLI::PositiveNumber);
  step->add_flag("--profile", a->profile, "time per operation, over the repetitions");
  step->add_flag("--json", a->json, "print JSON");
  step->callback([a] {
    const Json json = bench_step(*a);
    if (a->json) {
      std::cout << json.dump(2) << "\n";
    } else {
      print_facts(json);
    }
  });
}

}  // namespace ilora
