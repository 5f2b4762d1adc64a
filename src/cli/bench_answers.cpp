// ilora bench eval|generate: how fast prompts are scored and answered.
#include <iostream>

#include "base/json.h"
#include "bench/answers.h"
#include "cli/bench.h"

namespace ilora {
namespace {

struct Arguments {
  AnswerBench bench;
  bool json = false;
};

// JSON is whole; people are spared what was computed, which stands under `bulk`.
void print_speed(const Arguments& a, Json json, const char* bulk) {
  if (a.json) {
    std::cout << json_text(json, -1) << "\n";
    return;
  }
  json.erase(bulk);
  print_facts(json);
}

void add_common(CLI::App& command, Arguments& a) {
  BenchSubject& subject = a.bench.subject;
  add_subject(command, subject);
  command.add_option("--texts", a.bench.texts, "JSON: \"prompts\", and for eval \"options\"")
      ->required();
  command.add_option("--adapter", a.bench.adapter, "a PEFT folder");
  command.add_option("--prompts", a.bench.prompts, "only the first so many")->check(above_zero());
  CLI::Option* paced = add_paced(command, subject);
  command
      .add_option("--adapters", a.bench.adapters,
                  "under so many made-up ones: together, one by one")
      ->check(above_zero())
      ->excludes(paced)
      ->excludes(add_profile(command, subject));
  command.add_flag("--json", a.json, "print JSON");
}

}  // namespace

void add_bench_answers(CLI::App& bench) {
  auto a = std::make_shared<Arguments>();
  CLI::App* eval =
      bench.add_subcommand("eval", "scoring each prompt's options by their likelihood");
  add_common(*eval, *a);
  eval->callback([a] { print_speed(*a, measure_scoring(a->bench), "likelihoods"); });

  CLI::App* generate = bench.add_subcommand("generate", "greedy answers; no token ends one early");
  add_common(*generate, *a);
  generate
      ->add_option("--max-new-tokens", a->bench.generation.max_new_tokens, "tokens of an answer")
      ->check(above_zero());
  generate->add_option("--batch", a->bench.generation.batch, "prompts decoded together")
      ->check(above_zero());
  generate->callback([a] { print_speed(*a, measure_generation(a->bench), "answers"); });
}

}  // namespace ilora
