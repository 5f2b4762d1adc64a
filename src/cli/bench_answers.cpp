// ilora bench eval|generate: how fast prompts are scored and answered.
//
// The texts come from a file that a comparison gives to other programs too (bench/compare.sh).
#include <iostream>

#include "base/error.h"
#include "base/json.h"
#include "cli/bench_rows.h"
#include "cli/command.h"
#include "cli/gemm_rate.h"
#include "eval/evaluator.h"
#include "model/generate.h"
#include "model/peft.h"
#include "train/environment.h"
#include "train/workbench.h"

namespace ilora {
namespace {

struct AnswerArguments {
  std::string model, texts, adapter, dtype = "auto";
  std::vector<std::string> settings;
  GenerateOptions generation{.max_new_tokens = 64, .batch = 16, .stop = {}, .sampling = {}};
  Pacing pacing{.warm_up = 1};
  bool json = false;
};

// {"prompts": [text, ...], "options": [text, ...]}; options for `eval` alone.
struct Texts {
  explicit Texts(const std::string& path) {
    const Json json = read_json(path);
    try {
      for (const Json& prompt : json.at("prompts")) prompts.push_back({prompt, ""});
      options = json.value("options", options);
    } catch (const Json::exception& e) {
      throw Error(ErrorKind::kFormat, fmt::format("[bench] {} ({})", e.what(), path));
    }
  }
  std::vector<Example> prompts;
  std::vector<std::string> options;
};

// A model with at most one adapter, and the prompts as tokens.
struct Answerer {
  explicit Answerer(const AnswerArguments& a)
      : texts(a.texts), recipe(recipe_of(a)), bench(recipe) {
    if (!a.adapter.empty()) {
      adapter = load_peft(a.adapter, bench.files.config());
      uses = {{&adapter, 1.0, {}}};
    }
    for (const Example& example : texts.prompts) {
      prompts.push_back(bench.encoder->prompt(example.prompt));
      prompt_tokens += static_cast<int64_t>(prompts.back().size());
    }
  }
  Answerer(const Answerer&) = delete;

  static Recipe recipe_of(const AnswerArguments& a) {
    Configuration configuration;
    configuration.recipe.model = a.model;
    configuration.recipe.mode = a.dtype;
    configuration.set(a.settings);
    return configuration.recipe;
  }

  Json facts(const std::vector<double>& seconds) const {
    return {{"model", bench.files.config().name},
            {"dtype", bench.mode()},
            {"prompts", prompts.size()},
            {"prompt_tokens", prompt_tokens},
            {"seconds", median(seconds)},
            {"peak_rss_mib", peak_memory_mib()},
            {"environment", environment_json(bench.mode())}};
  }

  Texts texts;
  Recipe recipe;
  Workbench bench;
  Adapter adapter;
  Uses uses;
  std::vector<std::vector<int32_t>> prompts;
  int64_t prompt_tokens = 0;
};

Json bench_eval(const AnswerArguments& a) {
  Answerer answerer(a);
  Evaluator evaluator(*answerer.bench.engine, *answerer.bench.encoder, {});
  std::vector<std::vector<double>> likelihoods;
  const auto seconds = repeat_timed(a.pacing, [&] {
    likelihoods = evaluator.option_likelihoods(answerer.texts.prompts, answerer.texts.options,
                                               {answerer.uses, {}});
  });
  Json json = answerer.facts(seconds);
  json["prompt_tokens_per_second"] = static_cast<double>(answerer.prompt_tokens) / median(seconds);
  json["likelihoods"] = likelihoods;
  return json;
}

Json bench_generate(const AnswerArguments& a) {
  Answerer answerer(a);
  std::vector<std::vector<int32_t>> answers;
  const auto seconds = repeat_timed(a.pacing, [&] {
    answers = generate(*answerer.bench.engine, answerer.uses, answerer.prompts, a.generation);
  });
  size_t tokens = 0;
  for (const auto& answer : answers) tokens += answer.size();
  Json json = answerer.facts(seconds);
  json["new_tokens"] = tokens;
  json["new_tokens_per_second"] = static_cast<double>(tokens) / median(seconds);
  json["answers"] = answers;
  return json;
}

void print_speed(const AnswerArguments& a, Json json, const char* bulk) {
  if (a.json) {
    std::cout << json.dump() << "\n";
    return;
  }
  json.erase(bulk);
  for (const auto& [key, value] : json.items()) {
    if (!value.is_object()) std::cout << fmt::format("{:<26} {}\n", key, value.dump());
  }
}

void add_common(CLI::App* command, AnswerArguments& a) {
  command->add_option("--model", a.model, "a GGUF file or a Hugging Face folder")->required();
  command->add_option("--texts", a.texts, "JSON: \"prompts\", and for eval \"options\"")
      ->required();
  command->add_option("--adapter", a.adapter, "a PEFT folder");
  command->add_option("--dtype", a.dtype, "auto, f32 or bf16")
      ->check(CLI::IsMember({"auto", "f32", "bf16"}));
  command->add_option("--set", a.settings, "key=value (repeatable)");
  command->add_option("--repeat", a.pacing.repeat, "repetitions; the median counts")
      ->check(CLI::PositiveNumber);
  command->add_flag("--paced", a.pacing.paced,
                    "one repetition for each line on standard input, which it answers");
  command->add_flag("--json", a.json, "print JSON");
}

}  // namespace

void add_bench_answers(CLI::App* bench) {
  auto a = std::make_shared<AnswerArguments>();
  CLI::App* eval =
      bench->add_subcommand("eval", "scoring each prompt's options by their likelihood");
  add_common(eval, *a);
  eval->callback([a] { print_speed(*a, bench_eval(*a), "likelihoods"); });

  CLI::App* generate = bench->add_subcommand("generate", "greedy answers; no token ends one early");
  add_common(generate, *a);
  generate->add_option("--max-new-tokens", a->generation.max_new_tokens, "tokens of an answer")
      ->check(CLI::PositiveNumber);
  generate->add_option("--batch", a->generation.batch, "prompts decoded together")
      ->check(CLI::PositiveNumber);
  generate->callback([a] { print_speed(*a, bench_generate(*a), "answers"); });
}

}  // namespace ilora
