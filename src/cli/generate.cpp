// ilora generate: answers prompts with the base model, a run's learner or any PEFT adapter.
#include <iostream>

#include "base/error.h"
#include "base/json.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/sampling.h"
#include "runs/best_learner.h"
#include "session/answers.h"
#include "session/learned_system.h"
#include "session/text_answers.h"

namespace ilora {
namespace {

struct GenerateArguments {
  std::string model, run, learner, adapter, mode, text_template = "raw";
  std::vector<std::string> prompts, named_prompts, stops;
  GenerateOptions options;
  bool json = false;
};

void answer(const GenerateArguments& a) {
  Recipe recipe;
  std::filesystem::path adapter = a.adapter;
  if (!a.run.empty()) {
    const RunFolder folder = open_run(a.run);
    const auto configuration = configuration_of(folder);
    warn_each(configuration->warnings);
    recipe = configuration->recipe;
    adapter = answering_adapter(folder, *configuration, a.learner);
    if (a.learner.empty()) warn_of(warning_of_learner(folder));
    warn_of(warning_of_missing_system(folder, recipe));
  } else {
    recipe.text_template = a.text_template;
    if (a.model.empty()) {
      throw Error(
          ErrorKind::kUsage, "[generate] nothing is named that could answer",
          "--run RUN for a run's learner; --model MODEL for a base model, with --adapter DIR "
          "for one under an adapter.");
    }
  }
  if (!a.model.empty()) recipe.model = a.model;
  if (!a.mode.empty()) recipe.mode = a.mode;
  const ScopedThreads threads(recipe.threads);
  const LoadedModel model(recipe.model_options());
  say_left_out(model.files);
  if (!a.run.empty() && a.model.empty()) warn_of(model_change(RunFolder(a.run), model.files));
  Workbench bench(model, recipe);
  Responder responder(bench, adapter);

  const bool stream = !a.json && a.prompts.size() == 1;
  TextAnswers texts(model.tokenizer, a.stops, a.prompts.size());
  if (stream)
    texts.show_with([](size_t, const std::string& part) { std::cout << part << std::flush; });
  GenerateOptions options = a.options;
  options.complete = texts.listener();
  const auto answers = responder.answer(a.prompts, options);
  texts.finish();
  if (stream) {
    std::cout << "\n";
    return;
  }
  Json json = Json::array();
  for (size_t i = 0; i < answers.size(); ++i) {
    if (a.json) {
      json.push_back(
          {{"prompt", a.prompts[i]}, {"answer", texts.text(i)}, {"tokens", answers[i].size()}});
    } else {
      std::cout << texts.text(i) << "\n";
    }
  }
  // A prompt may hold any bytes.
  if (a.json) std::cout << json_text(json) << "\n";
}

}  // namespace

void add_generate(CLI::App& app) {
  CLI::App* command = app.add_subcommand("generate", "answer prompts, greedily or sampled");
  auto a = std::make_shared<GenerateArguments>();
  command->add_option("prompts", a->prompts, "one or more prompts");
  command->add_option("-p,--prompt", a->named_prompts, "the same (repeatable)")
      ->allow_extra_args(false);
  command->add_option("--model", a->model, "a GGUF file or a Hugging Face folder");
  CLI::Option* run =
      command->add_option("--run", a->run, "a run folder: its model, and the learner it deploys");
  command->add_option("--learner", a->learner, "with --run: fast, slow, ...")->needs(run);
  command->add_option("--adapter", a->adapter, "a PEFT folder, or a LoRA file in GGUF")
      ->excludes(run);
  command->add_option("--template", a->text_template, "raw or chat (of a run: its own)")
      ->check(CLI::IsMember({"raw", "chat"}))
      ->excludes(run);
  add_mode(*command, a->mode, "as engine.mode (default: a run's own, else auto)");
  add_sampling(*command, a->options, a->stops);
  command->add_flag("--json", a->json, "print JSON");
  command->callback([a] {
    a->prompts.insert(a->prompts.end(), a->named_prompts.begin(), a->named_prompts.end());
    if (a->prompts.empty()) {
      throw Error(ErrorKind::kUsage, "[generate] no prompt is given",
                  "For example: ilora generate --run RUN \"Is a whale a fish?\"");
    }
    answer(*a);
  });
}

}  // namespace ilora
