// ilora bench gemm|step|eval|generate|methods: how fast this machine is, and how much of that a
// training step uses (eval and generate: bench_answers.cpp; methods: bench_methods.cpp).
#include "cli/bench.h"

#include <algorithm>
#include <iostream>

#include "base/json.h"
#include "bench/gemm_rate.h"
#include "bench/profile_table.h"
#include "bench/step.h"
#include "train/environment.h"

namespace ilora {

void add_subject(CLI::App& command, BenchSubject& subject) {
  command.add_option("--model", subject.model, "a GGUF file or a Hugging Face folder")->required();
  add_mode(command, subject.mode);
  command.add_option("--set", subject.settings, "key=value (repeatable)")->allow_extra_args(false);
  command.add_option("--repeat", subject.pacing.repeat, "repetitions; the median counts")
      ->check(above_zero());
}

CLI::Option* add_profile(CLI::App& command, BenchSubject& subject) {
  return command.add_flag("--profile", subject.profile, "time per operation, over the repetitions");
}

CLI::Option* add_paced(CLI::App& command, BenchSubject& subject) {
  return command.add_flag("--paced", subject.pacing.paced,
                          "one repetition for each line on standard input, which it answers");
}

void print_facts(const Json& facts) {
  size_t widest = 0;
  for (const auto& [key, value] : facts.items())
    if (!value.is_object()) widest = std::max(widest, key.size());
  for (const auto& [key, value] : facts.items()) {
    if (!value.is_object())
      std::cout << fmt::format("{:<{}}  {}\n", key, widest,
                               value.is_string() ? value.get<std::string>() : value.dump());
  }
  if (facts.contains("profile")) std::cout << "\n" << profile_text(facts.at("profile"));
}

namespace {

void add_bench_gemm(CLI::App& bench) {
  struct Arguments {
    std::string mode = "auto";
    int repeat = Pacing().repeat;
    bool json = false;
  };
  CLI::App* command = bench.add_subcommand("gemm", "GEMM rate of six fixed shapes");
  auto a = std::make_shared<Arguments>();
  add_mode(*command, a->mode, "precision of the GEMMs; auto: the faster of f32 and bf16 here");
  command->add_option("--repeat", a->repeat, "repetitions; the median counts")->check(above_zero());
  command->add_flag("--json", a->json, "print JSON");
  command->callback([a] {
    if (a->mode.starts_with("int8"))
      throw Error(ErrorKind::kUsage, "[bench] gemm measures products of f32 and bf16, not int8",
                  "`ilora bench step --mode int8` measures a step with products of bytes.");
    const ModeRates measured =
        a->mode == "auto" ? faster_rates(a->repeat) : measure_mode(a->mode, a->repeat);
    const std::vector<GemmRate>& rates = measured.rates;
    Json json = {{"mode", measured.mode}, {"shapes", Json::array()}};
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
}

void add_bench_step(CLI::App& bench) {
  struct Arguments {
    StepBench step;
    std::string dump;
    bool json = false;
  };
  CLI::App* command =
      bench.add_subcommand("step", "a training step's speed and its share of the GEMM rate");
  auto a = std::make_shared<Arguments>();
  StepBench& step = a->step;
  add_subject(*command, step.subject);
  command->add_option("--method", step.method, "seq, er, ilora, ...");
  command->add_option("--tokens", step.tokens, "tokens with gradient per step")
      ->check(above_zero());
  command->add_option("--rows", step.rows, "JSON file of token rows: \"current\" and \"replayed\"");
  command->add_option("--adapter", step.adapter, "a PEFT folder to start from");
  command->add_option("--slow", step.slow, "a PEFT folder for the slow learner");
  command->add_option("--dump", a->dump,
                      "write the first step's gradient as a PEFT folder, tell its loss, and stop");
  add_profile(*command, step.subject);
  add_paced(*command, step.subject);
  command->add_flag("--json", a->json, "print JSON");
  command->callback([a] {
    const Json json = a->dump.empty() ? measure_step(a->step) : dump_step(a->step, a->dump);
    if (a->json) {
      std::cout << json_text(json) << "\n";
    } else {
      print_facts(json);
    }
  });
}

}  // namespace

void add_bench(CLI::App& app) {
  CLI::App* command = app.add_subcommand("bench", "measure GEMM, training steps and answers");
  command->require_subcommand(1);
  add_bench_gemm(*command);
  add_bench_step(*command);
  add_bench_answers(*command);
  add_bench_methods(*command);
}

}  // namespace ilora
