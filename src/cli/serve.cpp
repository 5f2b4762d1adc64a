// ilora serve: answers over HTTP, with a model or with what a run learned.
#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "runs/best_learner.h"
#include "serve/server.h"
#include "session/answers.h"

namespace ilora {
namespace {

using namespace std::chrono_literals;

struct ServeArguments {
  std::string source, listen = "127.0.0.1:8080", key_file, mode, name;
  std::vector<std::string> hosts;
  AnsweringOptions answering;
  ServerOptions server;
  Sampling sampling;
  SchoolOptions school;
  std::string run;
  bool frozen = false;
  int64_t seconds = 120, body_mib = 8;
  bool log_requests = false;
};

// "127.0.0.1:8080", "[::1]:8080", "8080".
void read_address(const std::string& listen, ServerOptions& options) {
  const size_t colon = listen.rfind(':');
  const std::string port = colon == listen.npos ? listen : listen.substr(colon + 1);
  if (colon != listen.npos) options.host = listen.substr(0, colon);
  if (options.host.starts_with('[') && options.host.ends_with(']'))
    options.host = options.host.substr(1, options.host.size() - 2);
  const bool digits =
      !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == port.npos;
  options.port = digits ? std::stoi(port) : -1;
  if (options.host.empty() || options.port < 0 || options.port > 65535)
    throw Error(ErrorKind::kUsage,
                fmt::format("[serve] expected HOST:PORT for --listen, got {}", listen),
                "For example 127.0.0.1:8080, or 8080; port 0 takes one that is free.");
}

// What a run that is begun here learns by: README's recipe for tasks of few rows, in the model's chat
// template, at an eighth of its rate over more steps: at 1e-3 six corrections cost the model the
// capital of France (docs/log.md).
const std::vector<std::string> kRecipe = {
    "data.template=chat",   "data.turns=last",    "method=ilora",
    "train.epochs=8",       "train.batch_size=8", "train.learning_rate=5e-4",
    "ilora.half_life=0.25", "ilora.draw=past",    "ilora.weight=by-task"};

// A run, or a model, alone or with a run that its first taught task begins.
struct Source {
  explicit Source(const ServeArguments& a) {
    const std::string run = a.run.empty() ? a.source : a.run;
    if (RunFolder(run).exists()) {
      folder.emplace(open_run(run));
      configuration = configuration_of(*folder);
      warn_each(configuration->warnings);
      warn_of(warning_of_learner(*folder));
      if (!a.school.learning.settings.empty())
        throw Error(ErrorKind::kUsage,
                    fmt::format("[serve] {} is a run already: --set is for one that begins", run));
      require_model_of_run(a);
    } else {
      configuration = std::make_unique<Configuration>();
      configuration->set(kRecipe);
      configuration->set(a.school.learning.settings);
      configuration->recipe.model = a.source;
      if (!a.run.empty()) folder.emplace(a.run);
    }
    recipe = configuration->recipe;
    if (!a.mode.empty()) recipe.mode = a.mode;
    name = a.name;
    if (name.empty()) {
      const auto path = std::filesystem::absolute(run).lexically_normal();
      const auto last = path.has_filename() ? path : path.parent_path();
      name = last.extension() == ".gguf" ? last.stem().string() : last.filename().string();
    }
  }

  // A model that is named beside a run is the run's.
  void require_model_of_run(const ServeArguments& a) const {
    namespace fs = std::filesystem;
    const std::string& own = configuration->recipe.model;
    if (a.run.empty() || fs::weakly_canonical(own) == fs::weakly_canonical(a.source)) return;
    throw Error(ErrorKind::kUsage,
                fmt::format("[serve] the run {} is of {}, not of {}", a.run, own, a.source),
                fmt::format("`ilora serve {}` takes the run's own model.", a.run));
  }

  std::optional<RunFolder> folder;  // of a run, which may not be there yet
  std::unique_ptr<Configuration> configuration;
  Recipe recipe;
  std::string name;
};

// What a server that learns nothing answers with: what the run deploys.
void deploy_own(const Source& source, ServedLearners& learners) {
  if (!source.folder || source.folder->last_task() == 0) return;
  const std::string deployed = source.configuration->method().deployed();
  learners.deploy(deployed, answering_adapter(*source.folder, *source.configuration, deployed));
}

SchoolNews news_for(ServedLearners& learners) {
  return {[&](const std::string& what, const std::filesystem::path& adapter) {
            learners.deploy(what, adapter);
          },
          [](const std::string& line) { log().info("{}", line); },
          [](const std::string& line) { log().warn("{}", line); }};
}

void serve(ServeArguments& a) {
  read_address(a.listen, a.server);
  a.server.body_bytes = a.body_mib << 20;
  Access access(a.server.host, a.hosts);
  if (!a.key_file.empty()) access.read_keys(a.key_file);
  Source source(a);
  const ScopedThreads threads(source.recipe.threads);
  const LoadedModel model(source.recipe.model_options());
  say_left_out(model.files);
  const bool begun = source.folder && source.folder->exists();
  if (begun) warn_of(model_change(*source.folder, model.files));
  Workbench bench(model, source.recipe);
  ServedLearners learners(source.name, source.folder ? &*source.folder : nullptr, bench);
  if (!source.folder || a.frozen) deploy_own(source, learners);
  RightOfWay way;
  a.answering.threads = source.recipe.threads;
  Answering answering(bench, way, a.answering);
  RecentAnswers recent;
  const bool chat = source.recipe.text_template == "chat";
  AnswerService answers{bench, answering, learners, recent, chat, a.seconds, a.sampling};
  std::optional<School> school;
  std::optional<TeachingService> teaching;
  std::optional<JobService> jobs;
  if (source.folder && !a.frozen) {
    std::vector<std::string> settings = kRecipe;
    settings.insert(settings.end(), a.school.learning.settings.begin(),
                    a.school.learning.settings.end());
    a.school.learning.settings = std::move(settings);
    school.emplace(*source.folder, model, way, a.school, news_for(learners));
    teaching.emplace(TeachingService{*school, recent, model.tokenizer, chat});
    jobs.emplace(*school, *source.folder, source.name, chat);
  }
  if (a.log_requests) a.server.log = [](const std::string& line) { log().info("{}", line); };
  Server server(a.server, access, answers, teaching ? &*teaching : nullptr,
                jobs ? &*jobs : nullptr);
  install_interrupt_handler();
  ignore_closed_pipe();
  if (school) school->start();
  server.start();
  log().info("{} answers{} on http://{}:{}", source.name, school ? " and learns" : "",
             a.server.host, server.port());
  while (!interrupted()) std::this_thread::sleep_for(50ms);
  answering.finish(4s);
  server.stop();
  if (school) school->stop(4);
  throw Error(ErrorKind::kInterrupted, "[serve] stopped");
}

// How and when what is taught is learned, and what it may cost.
void add_learning_options(CLI::App& command, ServeArguments& a) {
  command
      .add_option("--learn-after", a.school.learn_after,
                  "taught rows that are learned as a task; 0: no number is enough")
      ->check(not_below_zero())
      ->capture_default_str();
  command
      .add_option("--learn-idle", a.school.learn_idle,
                  "seconds without a new row, then those that wait are learned; 0: never")
      ->check(not_below_zero())
      ->capture_default_str();
  command
      .add_option("--least-steps", a.school.learning.least_steps,
                  "optimiser steps of a task at least; more epochs make them")
      ->check(not_below_zero())
      ->capture_default_str();
  command
      .add_option("--budget", a.school.learning.budget.budget,
                  "of an earlier task's score, that a new state may lose")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      .add_option("--general-budget", a.school.learning.budget.general_budget,
                  "that general knowledge may lose, against the base model")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_flag("--strict", a.school.learning.budget.strict,
                   "refuse what the probes' rows cannot vouch for");
  command.add_flag("!--no-general-probe", a.school.learning.general,
                   "let what is learned cost general knowledge");
  command
      .add_option("--probe", a.school.learning.probes,
                  "a task that nothing learned may forget either (repeatable)")
      ->allow_extra_args(false);
  command.add_option("--probe-rows", a.school.learning.budget.probe_rows, "of each earlier task")
      ->check(above_zero())
      ->capture_default_str();
}

// Where it listens, who may ask, how much.
void add_http_options(CLI::App& command, ServeArguments& a) {
  command.add_option("--listen", a.listen, "HOST:PORT")->capture_default_str();
  command.add_option("--name", a.name, "what clients call the model (default: the folder's name)");
  command.add_option("--key-file", a.key_file,
                     "keys of those who may ask, one a line: KEY, or \"KEY read\"");
  command.add_option("--allow-host", a.hosts, "another name that the server is reached by")
      ->allow_extra_args(false);
  command.add_option("--slots", a.answering.slots, "answers in the making at once")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command
      .add_option("--context", a.answering.capacity,
                  "most tokens of a prompt and its answer; at most the model's own")
      ->check(above_zero())
      ->capture_default_str();
  command.add_option("--queue", a.answering.waiting, "questions that may wait for a slot")
      ->check(not_below_zero())
      ->capture_default_str();
  command.add_option("--max-body", a.body_mib, "MiB of a request")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--timeout", a.seconds, "seconds for an answer")
      ->check(above_zero())
      ->capture_default_str();
  command
      .add_option("--temperature", a.sampling.temperature, "where a request says none; 0: greedy")
      ->check(not_below_zero())
      ->capture_default_str();
  command.add_flag("--log-requests", a.log_requests, "a line for each; never their texts");
}

}  // namespace

void add_serve(CLI::App& app) {
  CLI::App* command = app.add_subcommand("serve", "answer over HTTP, with OpenAI's protocol");
  auto a = std::make_shared<ServeArguments>();
  command->add_option("source", a->source, "a run folder, a GGUF file or a Hugging Face folder")
      ->required();
  command->add_option("--run", a->run,
                      "with a model: the run that what is taught begins, or goes on with");
  command
      ->add_option("--set", a->school.learning.settings,
                   "an option of a run that begins, KEY=VALUE")
      ->allow_extra_args(false);
  command->add_flag("--frozen", a->frozen, "answer only; nothing is learned");
  add_learning_options(*command, *a);
  add_http_options(*command, *a);
  add_mode(*command, a->mode, "as engine.mode (default: a run's own, else auto)");
  command->callback([a] { serve(*a); });
}

}  // namespace ilora
