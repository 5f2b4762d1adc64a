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

// A run, or a model alone.
struct Source {
  explicit Source(const ServeArguments& a) {
    if (RunFolder(a.source).exists()) {
      folder.emplace(open_run(a.source));
      configuration = configuration_of(*folder);
      warn_each(configuration->warnings);
      warn_of(warning_of_learner(*folder));
      recipe = configuration->recipe;
    } else {
      recipe.model = a.source;
      recipe.text_template = "chat";
    }
    if (!a.mode.empty()) recipe.mode = a.mode;
    name = a.name;
    if (name.empty()) {
      const auto path = std::filesystem::absolute(a.source).lexically_normal();
      const auto last = path.has_filename() ? path : path.parent_path();
      name = last.extension() == ".gguf" ? last.stem().string() : last.filename().string();
    }
  }

  std::optional<RunFolder> folder;
  std::unique_ptr<Configuration> configuration;  // of a run
  Recipe recipe;
  std::string name;
};

void serve(ServeArguments& a) {
  read_address(a.listen, a.server);
  a.server.body_bytes = a.body_mib << 20;
  Access access(a.server.host, a.hosts);
  if (!a.key_file.empty()) access.read_keys(a.key_file);
  Source source(a);
  const ScopedThreads threads(source.recipe.threads);
  const LoadedModel model(source.recipe.model_options());
  say_left_out(model.files);
  if (source.folder) warn_of(model_change(*source.folder, model.files));
  Workbench bench(model, source.recipe);
  const RunFolder* run = source.folder ? &*source.folder : nullptr;
  ServedLearners learners(source.name, run, bench);
  if (run != nullptr && run->last_task() > 0) {
    const std::string deployed = source.configuration->method().deployed();
    learners.deploy(deployed, answering_adapter(*run, *source.configuration, deployed));
  }
  RightOfWay way;
  a.answering.threads = source.recipe.threads;
  Answering answering(bench, way, a.answering);
  RecentAnswers recent;
  AnswerService service{
      bench,     answering, learners, recent, source.recipe.text_template == "chat",
      a.seconds, a.sampling};
  if (a.log_requests) a.server.log = [](const std::string& line) { log().info("{}", line); };
  Server server(a.server, access, service);
  install_interrupt_handler();
  ignore_closed_pipe();
  server.start();
  log().info("{} answers on http://{}:{}", source.name, a.server.host, server.port());
  while (!interrupted()) std::this_thread::sleep_for(50ms);
  answering.finish(8s);
  server.stop();
  throw Error(ErrorKind::kInterrupted,
              "[serve] stopped; the answers in the making were finished");
}

}  // namespace

void add_serve(CLI::App& app) {
  CLI::App* command = app.add_subcommand("serve", "answer over HTTP, with OpenAI's protocol");
  auto a = std::make_shared<ServeArguments>();
  command->add_option("source", a->source, "a run folder, a GGUF file or a Hugging Face folder")
      ->required();
  command->add_option("--listen", a->listen, "HOST:PORT")->capture_default_str();
  command->add_option("--name", a->name,
                      "what clients call the model (default: the folder's name)");
  command->add_option("--key-file", a->key_file,
                      "keys of those who may ask, one a line: KEY, or \"KEY read\"");
  command->add_option("--allow-host", a->hosts, "another name that the server is reached by")
      ->allow_extra_args(false);
  command->add_option("--slots", a->answering.slots, "answers in the making at once")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command
      ->add_option("--context", a->answering.capacity,
                   "most tokens of a prompt and its answer; at most the model's own")
      ->check(above_zero())
      ->capture_default_str();
  command->add_option("--queue", a->answering.waiting, "questions that may wait for a slot")
      ->check(not_below_zero())
      ->capture_default_str();
  command->add_option("--max-body", a->body_mib, "MiB of a request")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--timeout", a->seconds, "seconds for an answer")
      ->check(above_zero())
      ->capture_default_str();
  command
      ->add_option("--temperature", a->sampling.temperature, "where a request says none; 0: greedy")
      ->check(not_below_zero())
      ->capture_default_str();
  command->add_flag("--log-requests", a->log_requests, "a line for each; never their texts");
  add_mode(*command, a->mode, "as engine.mode (default: a run's own, else auto)");
  command->callback([a] { serve(*a); });
}

}  // namespace ilora
