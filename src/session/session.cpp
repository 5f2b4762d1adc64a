// The library (include/ilora/ilora.h): a model in memory, and sessions, each a run folder that it
// learns in and the model that it learns with, its own or one that it was given.
#include "ilora/ilora.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/parallel.h"
#include "data/turn_encoder.h"
#include "runs/results.h"
#include "runs/schema.h"
#include "session/answers.h"
#include "session/kept_rows.h"
#include "session/training.h"
#include "session/training_log.h"
#include "train/mode_choice.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

// A conversation's messages as a task file has them, for who reads those to look at them.
Json json_of_messages(const std::vector<Message>& messages) {
  Json list = Json::array();
  for (const Message& message : messages) {
    Json& one = list.emplace_back(Json{{"role", message.role}, {"content", message.content}});
    if (!message.learned) one["train"] = false;
  }
  return list;
}

// `what` names the list in errors: "training sample".
std::vector<Example> examples(const std::vector<Sample>& samples, const char* what) {
  std::vector<Example> rows;
  rows.reserve(samples.size());
  for (const Sample& sample : samples) {
    if (sample.messages.empty()) {
      rows.push_back({sample.prompt, sample.answer});
      continue;
    }
    const std::string where = fmt::format("{} {}", what, rows.size());
    if (!sample.prompt.empty() || !sample.answer.empty())
      throw Error(ErrorKind::kData,
                  fmt::format("[session] {} has messages, and a prompt or an answer", where),
                  "A conversation says all with its messages.");
    rows.push_back(conversation_of(read_turns(json_of_messages(sample.messages), where)));
  }
  return rows;
}

// Throws Error(kUsage) for what is no way to answer.
GenerateOptions generate_options(const AnswerOptions& options) {
  if (options.max_new_tokens < 1 || !(options.temperature >= 0) ||
      !(options.top_p > 0 && options.top_p <= 1)) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[session] cannot answer with max_new_tokens {}, temperature {} and "
                            "top_p {}",
                            options.max_new_tokens, options.temperature, options.top_p),
                "At least one token, a temperature of 0 or more, and top_p above 0 and up to 1.");
  }
  GenerateOptions generate;
  generate.max_new_tokens = options.max_new_tokens;
  generate.sampling.temperature = options.temperature;
  generate.sampling.top_p = options.top_p;
  generate.sampling.seed = options.seed;
  return generate;
}

KeptSample sample_of(const KeptRow& kept, const Tokenizer& tokenizer) {
  const KeptText text = text_of(kept.row, tokenizer);
  return {kept.task, kept.number, text.prompt, text.answer};
}

// What `work` does; whatever it throws becomes a std::runtime_error, an error's hint part of its
// text.
template <class Work>
auto with_hints(Work&& work) {
  try {
    return work();
  } catch (const Error& e) {
    if (e.hint().empty()) throw;
    throw std::runtime_error(fmt::format("{}\n{}", e.what(), e.hint()));
  } catch (const std::exception& e) {
    throw std::runtime_error(e.what());
  }
}

// What a model's settings say. Throws Error(kUsage) for one that says something else.
Recipe model_recipe(const std::string& path, const std::vector<std::string>& settings) {
  Configuration configuration;
  const OptionList& options = configuration.options;
  const auto of_a_model = [&](std::string_view key) {  // the path is given by itself
    return options.rules(key).from == OptionStage::kModel && key != "model.path";
  };
  for (const std::string& setting : settings) {
    const std::string key = setting_key(setting);
    options.require(key, "a model's settings");
    if (of_a_model(key)) continue;
    throw Error(ErrorKind::kUsage,
                fmt::format("[model] '{}' says nothing of how a model is loaded", setting),
                fmt::format("{} do; the others are a session's.", options.keys_text(of_a_model)));
  }
  configuration.set(settings);
  configuration.recipe.model = path;
  return configuration.recipe;
}

// A model and how it is loaded, as far as bits depend on it.
std::string describe(const ModelOptions& model, const ModelConfig& config) {
  const bool stored = weight_storage_of(model.weights) == WeightStorage::kStored;
  return fmt::format("{} ({}, weights {}, {} kernels)", fs::weakly_canonical(model.path).string(),
                     settled_mode(model.mode, config), stored ? "stored" : "expanded",
                     model.kernels);
}

// A session's recipe takes over from the model that it was given what it does not say itself.
// Throws Error(kUsage) where it says something else: the run would go on with another model.
void take_over(Configuration& configuration, const LoadedModel& model) {
  Recipe& recipe = configuration.recipe;
  const auto given = [&](const char* key) { return configuration.options.given(key); };
  if (!given("model.path")) recipe.model = model.options.path;
  if (!given("model.weights")) recipe.weights = model.options.weights;
  if (!given("engine.mode")) recipe.mode = model.options.mode;
  if (!given("engine.kernels")) recipe.kernels = model.options.kernels;
  const std::string own = describe(recipe.model_options(), model.config()),
                    shared = describe(model.options, model.config());
  if (own == shared) return;
  throw Error(
      ErrorKind::kUsage,
      fmt::format("[session] the run in {} is of {}, and was given {}", recipe.output, own, shared),
      "Load the model with the run's settings, or let the session load its own.");
}

}  // namespace

Model::Model(const std::string& path, const std::vector<std::string>& settings) {
  loaded_ = with_hints([&] {
    const Recipe recipe = model_recipe(path, settings);
    const ScopedThreads threads(recipe.threads);
    return std::make_shared<const LoadedModel>(recipe.model_options());
  });
}

struct Session::Implementation {
  Implementation(std::string where, std::vector<std::string> own_settings,
                 std::shared_ptr<const LoadedModel> given)
      : folder(std::move(where)),
        settings(std::move(own_settings)),
        shares_model(given != nullptr),
        model(std::move(given)) {
    log.emplace().set_quiet(true);
    with_hints([&] { check_settings(); });
  }

  const RunFolder folder;
  const std::vector<std::string> settings;
  const bool shares_model;  // with other sessions; otherwise it is loaded when first needed
  std::shared_ptr<const LoadedModel> model;
  std::unique_ptr<Workbench> bench;      // kept from task to task
  std::unique_ptr<Responder> responder;  // of the state after the last task
  int64_t threads = 0;
  std::optional<Log> log;  // what its work says
  std::atomic<bool> stop_requested{false};

  // `work` with the session's number of threads.
  template <class Work>
  auto perform(Work&& work) const {
    return with_hints([&] {
      const ScopedThreads own(threads);
      return work();
    });
  }

  bool begun() const { return folder.exists(); }

  // Of the settings, those that a run which is there takes over.
  std::vector<std::string> changes() const {
    const Configuration known;
    std::vector<std::string> changes;
    std::ranges::copy_if(settings, std::back_inserter(changes), [&](const std::string& setting) {
      const std::string key = setting_key(setting);
      return known.options.has(key) && keeps_bits(known.options)(key);
    });
    return changes;
  }

  // The settings are the run's own, or such as may change. Throws Error(kUsage).
  void check_settings() {
    const auto own = configuration();  // a misspelt setting of a new run: an error now
    threads = own->recipe.threads;
    if (!begun()) return;
    const OptionList& options = own->options;
    const auto refused = own->change(settings, [&](std::string_view key) {
      return keeps_bits(options)(key) || key == "output";  // the session's folder
    });
    if (!refused) return;
    throw Error(ErrorKind::kUsage,
                fmt::format("[session] the run in {} was begun without '{}'",
                            folder.path().string(), *refused),
                fmt::format("Of a run that is there, only {} may change; config.yaml in its folder "
                            "has the others.",
                            options.keys_text(keeps_bits(options))));
  }

  std::unique_ptr<Configuration> configuration() const {
    auto own = begun() ? configuration_of(folder) : std::make_unique<Configuration>();
    own->set(begun() ? changes() : settings);
    own->recipe.output = folder.path().string();
    if (shares_model) take_over(*own, *model);
    return own;
  }

  Workbench& workbench(const Recipe& recipe) {
    if (!model) model = std::make_shared<const LoadedModel>(recipe.model_options());
    if (!bench) bench = std::make_unique<Workbench>(*model, recipe);
    return *bench;
  }

  // engine.memory of a run that begins: for what is chosen a model of its own is loaded anew; one
  // that it shares stays as it is.
  void fit(Configuration& c, const std::vector<TaskText>& tasks, TrainingObserver& observer) {
    bench.reset();
    if (shares_model) {
      const bool stored = weight_storage_of(model->options.weights) == WeightStorage::kStored;
      c.recipe.weights = stored ? "stored" : "expanded";
      fit_memory(c, tasks, model->files, model->tokenizer, observer,
                 model->weights.sizes().owned_bytes);
      return;
    }
    model.reset();  // it may stand there for answers, as large as it liked
    ModelFiles files = open_model(c.recipe.model_options());
    Tokenizer tokenizer = load_tokenizer(files);
    fit_memory(c, tasks, files, tokenizer, observer);
    model = std::make_shared<const LoadedModel>(std::move(files), c.recipe.model_options(),
                                                std::move(tokenizer));
  }

  // Tasks by name: all that the run was told of, and of these the first that are learned.
  std::vector<std::string> known() const {
    std::vector<std::string> names;
    if (!begun()) return names;
    for (const fs::path& path : configuration()->recipe.task_folders())
      names.push_back(task_name(path));
    return names;
  }
  std::vector<std::string> learned() const {
    std::vector<std::string> names = known();
    names.resize(std::min(names.size(), static_cast<size_t>(folder.last_task())));
    return names;
  }
  bool complete() const { return is_finished(folder) && known().size() == learned().size(); }

  // False where it was stopped.
  bool train(const PreparedRun& prepared) {
    responder.reset();
    Configuration& c = *prepared.configuration;
    const std::vector<TaskText> tasks = read_tasks(c.recipe);
    TrainingLog observer(*log, [&] { return stop_requested.load(); });
    for (const std::string& warning : c.warnings) observer.warning(warning);
    if (!prepared.restore && !c.recipe.memory.empty()) fit(c, tasks, observer);
    Trainer trainer(c.recipe, c.options, c.method(), workbench(c.recipe), tasks, &observer);
    try {
      ilora::train(prepared, trainer);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::kInterrupted) throw;
      return false;
    }
    return true;
  }

  bool resume() {
    if (!begun() || complete()) return true;
    return train(prepare_resume(folder.path(), changes()));
  }

  bool learn(const fs::path& task) {
    const std::string name = task_name(task);
    if (std::ranges::count(learned(), name) > 0) {
      throw Error(
          ErrorKind::kUsage,
          fmt::format("[session] task {} is learned already ({})", name, folder.path().string()),
          "Give what is new a name of its own.");
    }
    {  // an error now, before anything is changed
      const auto now = configuration();
      read_task(task, now->recipe.limits(name), now->recipe.evaluated_split());
    }
    if (std::ranges::count(known(), name) > 0) return resume();
    if (!resume()) return false;
    const std::string path = fs::absolute(task).lexically_normal().string();
    if (begun()) return train(prepare_continue(folder.path(), {path}, changes()));
    auto first = configuration();
    if (!first->options.given("data.folder"))
      first->recipe.data_folder = fs::absolute(folder.given_tasks()).lexically_normal().string();
    // By its name where it is there, so that a run folder with its rows may be moved.
    const bool inside = fs::path(path).parent_path() == first->recipe.data_folder;
    first->recipe.tasks = {inside ? name : path};
    return train(prepare_new(std::move(first)));
  }

  const Tokenizer& tokenizer() { return workbench(configuration()->recipe).model.tokenizer; }

  Responder& answers() {
    if (responder) return *responder;
    const auto c = configuration();
    fs::path adapter;
    if (folder.last_task() > 0) adapter = answering_adapter(folder, *c, "");
    responder = std::make_unique<Responder>(workbench(c->recipe), adapter);
    return *responder;
  }
};

Session::Session(std::string folder, std::vector<std::string> settings)
    : implementation_(
          std::make_unique<Implementation>(std::move(folder), std::move(settings), nullptr)) {}
Session::Session(std::string folder, std::vector<std::string> settings, const Model& model)
    : implementation_(std::make_unique<Implementation>(std::move(folder), std::move(settings),
                                                       model.loaded_)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

bool Session::learn(const std::string& name, const std::vector<Sample>& train,
                    const std::vector<Sample>& test) {
  implementation_->stop_requested = false;
  return implementation_->perform([&] {
    if (name.empty() || name.starts_with(".") || name.find_first_of("/\\") != std::string::npos) {
      throw Error(ErrorKind::kUsage, fmt::format("[session] '{}' is no name for a task", name),
                  "It becomes the name of a folder: without '/', and without a dot in front.");
    }
    if (train.empty()) {
      throw Error(ErrorKind::kData, fmt::format("[session] task {} has no training rows", name));
    }
    const fs::path folder = implementation_->folder.given_tasks() / name;
    const std::vector<Example> learned = examples(train, "training sample");
    const std::vector<Example> scored = test.empty() ? learned : examples(test, "test sample");
    if (std::ranges::count(implementation_->known(), name) == 0)
      write_task(folder, {name, learned, {}, scored});
    return implementation_->learn(folder);
  });
}

bool Session::learn(const std::string& task_folder) {
  implementation_->stop_requested = false;
  return implementation_->perform([&] { return implementation_->learn(task_folder); });
}

bool Session::resume() {
  implementation_->stop_requested = false;
  return implementation_->perform([&] { return implementation_->resume(); });
}

std::string Session::answer(const std::string& prompt, const AnswerOptions& options) {
  return answer(std::vector<std::string>{prompt}, options).front();
}

std::vector<std::string> Session::answer(const std::vector<std::string>& prompts,
                                         const AnswerOptions& options) {
  return implementation_->perform([&] {
    const GenerateOptions generate = generate_options(options);
    std::vector<std::string> texts;
    for (const std::vector<int32_t>& tokens : implementation_->answers().answer(prompts, generate))
      texts.push_back(implementation_->model->tokenizer.decode(tokens));
    return texts;
  });
}

std::string Session::reply(const std::vector<Message>& messages, const AnswerOptions& options) {
  return implementation_->perform([&] {
    const GenerateOptions generate = generate_options(options);
    const Turns said = read_said(json_of_messages(messages), "the conversation");
    if (said.empty() || is_answer(said.back()))
      throw Error(ErrorKind::kUsage,
                  said.empty() ? "[session] the conversation is empty"
                               : "[session] the conversation ends with a turn of the assistant",
                  "It ends with what is to be answered.");
    const std::vector<int32_t> tokens =
        implementation_->answers().reply(messages_of(said), generate);
    return implementation_->model->tokenizer.decode(tokens);
  });
}

std::vector<std::string> Session::tasks() const {
  return with_hints([&] { return implementation_->learned(); });
}

std::vector<double> Session::scores() const {
  return with_hints([&] {
    std::vector<double> scores;
    const RunFolder& folder = implementation_->folder;
    if (!fs::exists(folder.path(Results::kFile))) return scores;
    const ScoreMatrix matrix = read_run_file<Results>(folder).scores;
    const size_t learned = implementation_->learned().size();  // row k: after k tasks
    if (matrix.size() <= learned) return scores;
    for (size_t task = 0; task < learned; ++task)
      scores.push_back(matrix[learned][task].value_or(0.0));
    return scores;
  });
}

std::string Session::adapter_folder() const {
  return with_hints([&] {
    if (implementation_->folder.last_task() == 0) return std::string();
    return answering_adapter(implementation_->folder, *implementation_->configuration(), "")
        .string();
  });
}

std::vector<KeptSample> Session::memory() const {
  return implementation_->perform([&] {
    std::vector<KeptSample> samples;
    if (!implementation_->folder.has_state()) return samples;
    const Tokenizer& tokenizer = implementation_->tokenizer();
    for (const KeptRow& kept : read_kept_rows(implementation_->folder).rows)
      samples.push_back(sample_of(kept, tokenizer));
    return samples;
  });
}

int64_t Session::forget(const std::function<bool(const KeptSample&)>& leaves) {
  return implementation_->perform([&]() -> int64_t {
    if (!implementation_->folder.has_state()) return 0;
    const Tokenizer& tokenizer = implementation_->tokenizer();
    return std::ssize(forget_rows(implementation_->folder, [&](const KeptRow& kept) {
      return leaves(sample_of(kept, tokenizer));
    }));
  });
}

void Session::stop() {
  implementation_->stop_requested = true;
}

void Session::show_progress(bool on) {
  implementation_->log.emplace().set_quiet(!on);
}

void Session::on_message(std::function<void(const std::string&)> receive) {
  if (!receive) return show_progress(false);
  implementation_->log.emplace(
      [receive = std::move(receive)](std::string_view line) {
        receive(std::string(line.substr(0, line.size() - 1)));  // without its end
      },
      false);
}

}  // namespace ilora
