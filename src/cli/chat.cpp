// ilora chat: a conversation with a model, or with a run's learner, in the terminal or through a
// pipe.
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <optional>

#include "analysis/interpolate.h"
#include "base/error.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/sampling.h"
#include "model/adapter_file.h"
#include "runs/best_learner.h"
#include "session/answers.h"
#include "session/learned_system.h"
#include "session/text_answers.h"

namespace ilora {
namespace {

struct ChatArguments {
  std::string source, learner, adapter, mode, system;
  std::vector<std::string> stops;
  GenerateOptions options;
};

constexpr const char* kWords =
    "/reset begins anew, /system TEXT sets the system's turn, /learner NAME changes the run's "
    "learner (0.4: a point from slow to fast), /quit ends";

// A learner's name that is a point of the way from slow to fast, from 0 to 1.
std::optional<double> share_of(const std::string& learner) {
  char* end = nullptr;
  const double share = std::strtod(learner.c_str(), &end);
  if (learner.empty() || *end != '\0') return {};
  if (share >= 0 && share <= 1) return share;
  throw Error(ErrorKind::kUsage,
              fmt::format("[chat] expected a learner or a point from 0 (slow) to 1 (fast), got {}",
                          learner));
}

// Who talks: a run's learner, or a model, alone or under an adapter.
class Chat {
 public:
  explicit Chat(const ChatArguments& a) : a_(a), recipe_(recipe_of(a)), threads_(recipe_.threads) {
    model_.emplace(recipe_.model_options());
    say_left_out(model_->files);
    if (configuration_) warn_of(model_change(*folder_, model_->files));
    bench_.emplace(*model_, recipe_);
    load(a.learner);
    set_system(a.system);
  }

  // False where the line ends the conversation.
  bool take(const std::string& line) {
    if (line.starts_with('/')) return command(line);
    if (!line.empty()) say(line);
    return true;
  }

 private:
  Recipe recipe_of(const ChatArguments& a) {
    Recipe recipe;
    if (RunFolder(a.source).exists()) {
      if (!a.adapter.empty())
        throw Error(ErrorKind::kUsage,
                    fmt::format("[chat] {} is a run, which answers with adapters of its own "
                                "(--adapter)",
                                a.source),
                    "Name the run's model in its place, or the run's learner by --learner.");
      folder_.emplace(open_run(a.source));
      configuration_ = configuration_of(*folder_);
      warn_each(configuration_->warnings);
      if (a.learner.empty()) warn_of(warning_of_learner(*folder_));
      recipe = configuration_->recipe;
      if (a.system.empty()) warn_of(warning_of_missing_system(*folder_, recipe));
      if (recipe.text_template != "chat")
        warn_of(
            "the run learned prompts as they stand (data.template: raw), and hears them in the "
            "model's chat template here");
    } else {
      recipe.model = a.source;
      if (!a.learner.empty())
        throw Error(ErrorKind::kUsage,
                    fmt::format("[chat] {} is no run: it has no learners (--learner)", a.source));
    }
    recipe.text_template = "chat";
    if (!a.mode.empty()) recipe.mode = a.mode;
    return recipe;
  }

  void load(const std::string& learner) {
    if (!configuration_) {
      responder_.emplace(*bench_, std::filesystem::path(a_.adapter));
      return;
    }
    const auto named = [&](const std::string& name) {
      return load_adapter(answering_adapter(*folder_, *configuration_, name), model_->files);
    };
    const std::optional<double> share = share_of(learner);
    if (!share) {
      responder_.emplace(*bench_, named(learner));
      return;
    }
    const Adapter slow = named("slow"), fast = named("fast");
    require_same_layout(slow, "slow", fast, "fast");
    Adapter between(model_->files.config(), slow.options());
    interpolate_factors(between, slow, fast, *share);
    responder_.emplace(*bench_, std::move(between));
  }

  void set_system(const std::string& text) {
    messages_.clear();
    if (!text.empty()) messages_.push_back({"system", text});
  }

  bool command(const std::string& line) {
    const size_t space = line.find(' ');
    const std::string word = line.substr(0, space),
                      rest = space == line.npos ? "" : line.substr(space + 1);
    if (word == "/quit" || word == "/exit") return false;
    if (word == "/reset") {
      const bool system = !messages_.empty() && messages_.front().role == "system";
      set_system(system ? std::string(messages_.front().content) : "");
    } else if (word == "/system") {
      set_system(rest);
    } else if (word == "/learner" && configuration_ && !rest.empty()) {
      change_learner(rest);
    } else {
      log().info("{}", kWords);
    }
    return true;
  }

  // The conversation stays; so does the learner where there is no such one.
  void change_learner(const std::string& learner) {
    try {
      load(learner);
      log().info("now {} answers", learner);
    } catch (const Error& e) {
      log().error("{}", e.what());
      if (!e.hint().empty()) log().error("  {}", e.hint());
    }
  }

  void say(const std::string& line) {
    messages_.push_back({"user", line});
    TextAnswers answer(model_->tokenizer, a_.stops, 1);
    answer.show_with([](size_t, const std::string& part) { std::cout << part << std::flush; });
    GenerateOptions options = a_.options;
    options.complete = answer.listener();
    try {
      responder_->reply(messages_, options);
    } catch (const Error& e) {
      messages_.pop_back();  // what was not answered was not said
      if (e.kind() != ErrorKind::kData) throw;
      log().error("{}", e.what());
      log().error("  /reset begins a new conversation.");
      return;
    }
    answer.finish();
    std::cout << "\n" << std::flush;
    messages_.push_back({"assistant", answer.text(0)});
  }

  const ChatArguments& a_;
  std::optional<RunFolder> folder_;
  std::unique_ptr<Configuration> configuration_;  // of a run
  Recipe recipe_;
  ScopedThreads threads_;
  std::optional<LoadedModel> model_;
  std::optional<Workbench> bench_;
  std::optional<Responder> responder_;
  std::vector<ChatMessage> messages_;
};

void talk(const ChatArguments& a) {
  Chat chat(a);
  const bool terminal = ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
  if (terminal) log().info("{}", kWords);
  for (std::string line;;) {
    if (terminal) std::cout << "> " << std::flush;
    if (!std::getline(std::cin, line)) break;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!chat.take(line)) break;
  }
}

}  // namespace

void add_chat(CLI::App& app) {
  CLI::App* command = app.add_subcommand("chat", "talk with a model or with what a run learned");
  auto a = std::make_shared<ChatArguments>();
  a->options.max_new_tokens = 512;
  command->add_option("source", a->source, "a run folder, a GGUF file or a Hugging Face folder")
      ->required();
  CLI::Option* learner = command->add_option(
      "--learner", a->learner, "of a run: fast, slow, ..., or a point from 0 (slow) to 1 (fast)");
  command->add_option("--adapter", a->adapter, "a PEFT folder or a LoRA file in GGUF, over a model")
      ->excludes(learner);
  command->add_option("--system", a->system, "the system's turn, where the template has one");
  add_mode(*command, a->mode, "as engine.mode (default: a run's own, else auto)");
  add_sampling(*command, a->options, a->stops);
  command->footer(
      fmt::format("Reads a line, answers, and so on. In the conversation: {}.", kWords));
  command->callback([a] { talk(*a); });
}

}  // namespace ilora
