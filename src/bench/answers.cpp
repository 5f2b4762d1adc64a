#include "bench/answers.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "base/error.h"
#include "base/json.h"
#include "base/parallel.h"
#include "base/random.h"
#include "bench/gemm_rate.h"
#include "eval/evaluator.h"
#include "model/adapter_file.h"
#include "train/environment.h"

namespace ilora {
namespace {

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
  explicit Setup(const AnswerBench& b)
      : texts(b.texts, b.prompts),
        recipe(recipe_of(b)),
        threads(recipe.threads),
        model(recipe.model_options()),
        bench(model, recipe) {
    if (!b.adapter.empty()) {
      adapter = load_adapter(b.adapter, model.files);
      uses = {{&adapter, 1.0, {}}};
    }
    for (const Example& example : texts.prompts) {
      prompts.push_back(bench.encoder.prompt(example.prompt));
      prompt_tokens += static_cast<int64_t>(prompts.back().size());
    }
  }
  Setup(const Setup&) = delete;

  static Recipe recipe_of(const AnswerBench& b) {
    Configuration configuration;
    configure(configuration, b.subject);
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
      const double peak = best_gflops(measure_mode(model.mode(), 10).rates);
      json["profile"] = profile_of(bench, seconds, peak, adapter.options().rank);
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
Json in_turns(const AnswerBench& b, Setup& setup, const std::function<void()>& one_by_one,
              const std::function<void()>& together) {
  Engine& engine = setup.bench.engine;
  one_by_one();
  const double before = passes_mib(engine);
  together();
  const double after = passes_mib(engine);
  std::vector<double> apart, joined;
  const Pacing once{.warm_up = 0, .repeat = 1, .paced = false};
  for (int turn = 0; turn < b.subject.pacing.repeat; ++turn) {
    apart.push_back(repeat_timed(once, one_by_one).front());
    joined.push_back(repeat_timed(once, together).front());
  }
  Json json = setup.facts(joined);
  json.erase("seconds");
  json["adapters"] = b.adapters;
  json["seconds_one_by_one"] = median(apart);
  json["seconds_together"] = median(joined);
  json["speed_ratio"] = median(apart) / median(joined);
  json["passes_mib_one_by_one"] = before;
  json["passes_mib_together"] = after;
  return json;
}

Json scoring_each(const AnswerBench& b) {
  Setup setup(b);
  const MadeUpAdapters many(setup.model.config(), setup.recipe.lora, b.adapters);
  Evaluator evaluator(setup.bench.engine, setup.bench.encoder, {});
  const Texts& texts = setup.texts;
  std::vector<Evaluator::Likelihoods> apart, joined;
  Json json = in_turns(
      b, setup,
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
                                     static_cast<double>(b.adapters) /
                                     json["seconds_together"].get<double>();
  return json;
}

Json generation_each(const AnswerBench& b) {
  Setup setup(b);
  const MadeUpAdapters many(setup.model.config(), setup.recipe.lora, b.adapters);
  Engine& engine = setup.bench.engine;
  std::vector<Lane> lanes;
  for (const Answerer& d : many.answerers) lanes.push_back({&d.uses, setup.prompts});
  std::vector<Answers> apart, joined;
  Json json = in_turns(
      b, setup,
      [&] {
        apart.clear();
        for (const Lane& lane : lanes)
          apart.push_back(generate(engine, *lane.uses, lane.prompts, b.generation));
      },
      [&] { joined = generate(engine, lanes, b.generation); });
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

}  // namespace

Json measure_scoring(const AnswerBench& b) {
  if (b.adapters > 0) return scoring_each(b);
  Setup setup(b);
  Evaluator evaluator(setup.bench.engine, setup.bench.encoder, {});
  std::vector<std::vector<double>> likelihoods;
  const auto seconds = repeat_profiled(setup.bench, b.subject.pacing, [&] {
    likelihoods =
        evaluator.option_likelihoods(setup.texts.prompts, setup.texts.options, {setup.uses, {}});
  });
  Json json = setup.facts(seconds);
  json["prompt_tokens_per_second"] = static_cast<double>(setup.prompt_tokens) / median(seconds);
  json["likelihoods"] = likelihoods;
  return json;
}

Json measure_generation(const AnswerBench& b) {
  if (b.adapters > 0) return generation_each(b);
  Setup setup(b);
  std::vector<std::vector<int32_t>> answers;
  const auto seconds = repeat_profiled(setup.bench, b.subject.pacing, [&] {
    answers = generate(setup.bench.engine, setup.uses, setup.prompts, b.generation);
  });
  size_t tokens = 0;
  for (const auto& answer : answers) tokens += answer.size();
  Json json = setup.facts(seconds);
  json["new_tokens"] = tokens;
  json["new_tokens_per_second"] = static_cast<double>(tokens) / median(seconds);
  json["answers"] = answers;
  return json;
}

}  // namespace ilora
