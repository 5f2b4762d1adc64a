// ilora bench eval|generate: how fast prompts are scored and answered.
//
// The texts come from a file that a comparison gives to other programs too (bench/compare.sh). With
// --adapters N the same work is done under N made-up adapters, together and one by one, in turns.
#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <limits>
#include <memory>
#include <numeric>

#include "base/error.h"
#include "base/json.h"
#include "base/parallel.h"
#include "base/random.h"
#include "cli/bench_rows.h"
#include "cli/command.h"
#include "cli/gemm_rate.h"
#include "cli/profile_table.h"
#include "eval/evaluator.h"
#include "model/generate.h"
#include "model/peft.h"
#include "train/environment.h"
#include "train/workbench.h"

namespace ilora {
namespace {

struct AnswerArguments {
  std::string model, texts, adapter, mode = "auto";
  std::vector<std::string> settings;
  GenerateOptions generation{.max_new_tokens = 64, .batch = 16, .stop = {}, .sampling = {}};
  Pacing pacing{.warm_up = 1};
  size_t adapters = 0, prompts = std::numeric_limits<size_t>::max();
  bool json = false, profile = false;
};

// {"prompts": [text, ...], "options": [text, ...]}; options for `eval` alone.
struct Texts {
  Texts(const std::string& path, size_t most) {
    const Json json = read_json(path);
    try {
      for (const Json& prompt : json.at("prompts"))
        if (prompts.size() < most) prompts.push_back({prompt, ""});
      options = json.value("options", options);
    } catch (const Json::exception& e) {
      throw Error(ErrorKind::kFormat, fmt::format("[bench] {} ({})", what_is_wrong(e), path));
    }
  }
  std::vector<Example> prompts;
  std::vector<std::string> options;
};

// A model with at most one adapter, and the prompts as tokens.
struct Setup {
  explicit Setup(const AnswerArguments& a)
      : texts(a.texts, a.prompts),
        recipe(recipe_of(a)),
        threads(recipe.threads),
        model(recipe.model_options()),
        bench(model, recipe) {
    if (!a.adapter.empty()) {
      adapter = load_peft(a.adapter, model.config());
      uses = {{&adapter, 1.0, {}}};
    }
    for (const Example& example : texts.prompts) {
      prompts.push_back(bench.encoder.prompt(example.prompt));
      prompt_tokens += static_cast<int64_t>(prompts.back().size());
    }
  }
  Setup(const Setup&) = delete;

  static Recipe recipe_of(const AnswerArguments& a) {
    Configuration configuration;
    configuration.recipe.model = a.model;
    configuration.recipe.mode = a.mode;
    configuration.recipe.profile = a.profile;
    configuration.set(a.settings);
    return configuration.recipe;
  }

  Json facts(const std::vector<double>& seconds) const {
    Json json = {{"model", model.config().name},
                 {"mode", model.mode()},
                 {"prompts", prompts.size()},
                 {"prompt_tokens", prompt_tokens},
                 {"seconds", median(seconds)},
                 {"peak_rss_mib", peak_memory_mib()},
                 {"environment", environment_json(model.mode())}};
    if (recipe.profile) {
      const double peak = best_gflops(measure_gemm(cpu_kernels(), model.gemm_type(), 10));
      json["profile"] = profile_json(bench.profile->entries(),
                                     std::accumulate(seconds.begin(), seconds.end(), 0.0), peak,
                                     model.config(), {adapter.options().rank});
    }
    return json;
  }

  Texts texts;
  Recipe recipe;
  ScopedThreads threads;
  LoadedModel model;
  Workbench bench;
  Adapter adapter;
  Uses uses;
  std::vector<std::vector<int32_t>> prompts;
  int64_t prompt_tokens = 0;
};

// N adapters, none of whose factors is zero.
struct MadeUpAdapters {
  MadeUpAdapters(const ModelConfig& config, const LoraOptions& options, size_t count) {
    for (size_t n = 0; n < count; ++n) {
      adapters.push_back(std::make_unique<Adapter>(config, options));
      const Tensor values = adapters.back()->values();
      const Random random(1, Stream::kTest, n);
      for (int64_t i = 0; i < values.size(); ++i)
        values.ptr<float>()[i] =
            static_cast<float>(0.04 * random.uniform(static_cast<uint64_t>(i)) - 0.02);
      answerers.push_back({{{adapters.back().get(), 1.0, {}}}, {}});
    }
  }
  std::vector<std::unique_ptr<Adapter>> adapters;
  std::vector<Answerer> answerers;
};

// What the engine holds for passes, in MiB.
double passes_mib(Engine& engine) {
  const int64_t cache =
      KeyValueCache::bytes(engine.config(), engine.kernels().state, engine.cache(1, 1).tokens());
  return (static_cast<double>(engine.arena().capacity()) + static_cast<double>(cache)) / (1 << 20);
}

// Both ways in turns: one by one first, so that what the engine holds grows only where working
// together takes more.
Json in_turns(const AnswerArguments& a, Setup& setup, const std::function<void()>& one_by_one,
              const std::function<void()>& together) {
  Engine& engine = setup.bench.engine;
  one_by_one();
  const double before = passes_mib(engine);
  together();
  const double after = passes_mib(engine);
  std::vector<double> apart, joined;
  const Pacing once{.warm_up = 0, .repeat = 1, .paced = false};
  for (int turn = 0; turn < a.pacing.repeat; ++turn) {
    apart.push_back(repeat_timed(once, one_by_one).front());
    joined.push_back(repeat_timed(once, together).front());
  }
  Json json = setup.facts(joined);
  json.erase("seconds");
  json["adapters"] = a.adapters;
  json["seconds_one_by_one"] = median(apart);
  json["seconds_together"] = median(joined);
  json["speed_ratio"] = median(apart) / median(joined);
  json["passes_mib_one_by_one"] = before;
  json["passes_mib_together"] = after;
  return json;
}

Json bench_eval_each(const AnswerArguments& a) {
  Setup setup(a);
  const MadeUpAdapters many(setup.model.config(), setup.recipe.lora, a.adapters);
  Evaluator evaluator(setup.bench.engine, setup.bench.encoder, {});
  const Texts& texts = setup.texts;
  std::vector<Evaluator::Likelihoods> apart, joined;
  Json json = in_turns(
      a, setup,
      [&] {
        apart.clear();
        for (const Answerer& d : many.answerers)
          apart.push_back(evaluator.option_likelihoods(texts.prompts, texts.options, d));
      },
      [&] {
        joined = evaluator.option_likelihoods_each(texts.prompts, texts.options, many.answerers);
      });
  double largest = 0;
  size_t equal = 0, all = 0;
  for (size_t d = 0; d < apart.size(); ++d) {
    for (size_t i = 0; i < apart[d].size(); ++i) {
      for (size_t o = 0; o < apart[d][i].size(); ++o) {
        const double x = apart[d][i][o], y = joined[d][i][o];
        largest = std::max(largest, std::abs(x / y - 1));
        equal += x == y ? 1 : 0;
        ++all;
      }
    }
  }
  json["equal_bits"] = static_cast<double>(equal) / static_cast<double>(all);
  json["largest_relative_difference"] = largest;
  json["prompt_tokens_per_second"] = static_cast<double>(setup.prompt_tokens) *
                                     static_cast<double>(a.adapters) /
                                     json["seconds_together"].get<double>();
  return json;
}

Json bench_generate_each(const AnswerArguments& a) {
  Setup setup(a);
  const MadeUpAdapters many(setup.model.config(), setup.recipe.lora, a.adapters);
  Engine& engine = setup.bench.engine;
  std::vector<Lane> lanes;
  for (const Answerer& d : many.answerers) lanes.push_back({&d.uses, setup.prompts});
  std::vector<Answers> apart, joined;
  Json json = in_turns(
      a, setup,
      [&] {
        apart.clear();
        for (const Lane& lane : lanes)
          apart.push_back(generate(engine, *lane.uses, lane.prompts, a.generation));
      },
      [&] { joined = generate(engine, lanes, a.generation); });
  size_t tokens = 0, equal = 0, all = 0;
  for (size_t d = 0; d < apart.size(); ++d) {
    for (size_t i = 0; i < apart[d].size(); ++i) {
      tokens += joined[d][i].size();
      equal += apart[d][i] == joined[d][i] ? 1 : 0;
      ++all;
    }
  }
  json["equal_answers"] = static_cast<double>(equal) / static_cast<double>(all);
  json["new_tokens"] = tokens;
  json["new_tokens_per_second"] =
      static_cast<double>(tokens) / json["seconds_together"].get<double>();
  return json;
}

Json bench_eval(const AnswerArguments& a) {
  if (a.adapters > 0) return bench_eval_each(a);
  Setup setup(a);
  Evaluator evaluator(setup.bench.engine, setup.bench.encoder, {});
  std::vector<std::vector<double>> likelihoods;
  const auto seconds = repeat_timed(
      a.pacing,
      [&] {
        likelihoods = evaluator.option_likelihoods(setup.texts.prompts, setup.texts.options,
                                                   {setup.uses, {}});
      },
      [&] {
        if (setup.bench.profile) setup.bench.profile->clear();
      });
  Json json = setup.facts(seconds);
  json["prompt_tokens_per_second"] = static_cast<double>(setup.prompt_tokens) / median(seconds);
  json["likelihoods"] = likelihoods;
  return json;
}

Json bench_generate(const AnswerArguments& a) {
  if (a.adapters > 0) return bench_generate_each(a);
  Setup setup(a);
  std::vector<std::vector<int32_t>> answers;
  const auto seconds = repeat_timed(
      a.pacing,
      [&] { answers = generate(setup.bench.engine, setup.uses, setup.prompts, a.generation); },
      [&] {
        if (setup.bench.profile) setup.bench.profile->clear();
      });
  size_t tokens = 0;
  for (const auto& answer : answers) tokens += answer.size();
  Json json = setup.facts(seconds);
  json["new_tokens"] = tokens;
  json["new_tokens_per_second"] = static_cast<double>(tokens) / median(seconds);
  json["answers"] = answers;
  return json;
}

void print_speed(const AnswerArguments& a, Json json, const char* bulk) {
  if (a.json) {
    std::cout << json_text(json, -1) << "\n";
    return;
  }
  json.erase(bulk);
  for (const auto& [key, value] : json.items()) {
    if (!value.is_object()) std::cout << fmt::format("{:<26} {}\n", key, value.dump());
  }
  if (json.contains("profile")) std::cout << "\n" << profile_text(json.at("profile"));
}

void add_common(CLI::App* command, AnswerArguments& a) {
  command->add_option("--model", a.model, "a GGUF file or a Hugging Face folder")->required();
  command->add_option("--texts", a.texts, "JSON: \"prompts\", and for eval \"options\"")
      ->required();
  command->add_option("--adapter", a.adapter, "a PEFT folder");
  add_mode(*command, a.mode);
  command->add_option("--set", a.settings, "key=value (repeatable)")->allow_extra_args(false);
  command->add_option("--repeat", a.pacing.repeat, "repetitions; the median counts")
      ->check(above_zero());
  command->add_option("--prompts", a.prompts, "only the first so many")->check(above_zero());
  CLI::Option* paced =
      command->add_flag("--paced", a.pacing.paced,
                        "one repetition for each line on standard input, which it answers");
  command->add_option("--adapters", a.adapters, "under so many made-up ones: together, one by one")
      ->check(above_zero())
      ->excludes(paced)
      ->excludes(
          command->add_flag("--profile", a.profile, "time per operation, over the repetitions"));
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
      ->check(above_zero());
  generate->add_option("--batch", a->generation.batch, "prompts decoded together")
      ->check(above_zero());
  generate->callback([a] { print_speed(*a, bench_generate(*a), "answers"); });
}

}  // namespace ilora
