// The library's one class (include/ilora/ilora.h): a run folder, and the model that it learns with.
#include "ilora/ilora.h"

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "runs/results.h"
#include "runs/schema.h"
#include "session/answers.h"
#include "session/training.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

std::vector<Example> examples(const std::vector<Sample>& samples) {
  std::vector<Example> rows;
  rows.reserve(samples.size());
  for (const Sample& sample : samples) rows.push_back({sample.prompt, sample.answer});
  return rows;
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

}  // namespace

struct Session::Implementation {
  RunFolder folder;
  std::vector<std::string> settings;
  std::unique_ptr<Workbench> bench;      // loaded when first needed, kept from task to task
  std::unique_ptr<Responder> responder;  // of the state after the last task

  bool begun() const { return folder.exists(); }

  // Of the settings, those that a run which is there takes over.
  std::vector<std::string> changes() const {
    std::vector<std::string> changes;
    std::copy_if(settings.begin(), settings.end(), std::back_inserter(changes), may_change);
    return changes;
  }

  // The settings are the run's own, or such as may change. Throws Error(kUsage).
  void check_settings() const {
    const auto own = configuration();  // a misspelt setting of a new run: an error now
    if (!begun()) return;
    const std::string before = own->options.to_yaml();
    for (auto at = settings.begin(); at != settings.end(); ++at) {
      const std::string &setting = *at, key = setting_key(setting);
      const bool given_again = std::any_of(
          at + 1, settings.end(), [&](const auto& later) { return setting_key(later) == key; });
      if (may_change(setting) || key == "output" || given_again) continue;
      own->set({setting});
      if (own->options.to_yaml() == before) continue;
      throw Error(ErrorKind::kUsage,
                  fmt::format("[session] the run in {} was begun without '{}'",
                              folder.path().string(), setting),
                  "Of a run that is there, only engine.threads, engine.recompute and checkpoint.* "
                  "may change; config.yaml in its folder has the others.");
    }
  }

  std::unique_ptr<Configuration> configuration() const {
    if (begun()) {
      auto own = configuration_of(folder);
      own->set(changes());
      return own;
    }
    auto fresh = std::make_unique<Configuration>();
    fresh->set(settings);
    fresh->recipe.output = folder.path().string();
    return fresh;
  }

  Workbench& workbench(const Recipe& recipe) {
    if (!bench) bench = std::make_unique<Workbench>(recipe);
    return *bench;
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
    if (!prepared.restore && !c.recipe.memory.empty()) {
      bench.reset();  // it may stand there for answers, as large as it liked
      fit_memory(c, tasks);
    }
    Trainer trainer(c.recipe, c.options, c.method(), workbench(c.recipe), tasks);
    try {
      ilora::train(prepared, trainer);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::kInterrupted) throw;
      clear_interrupt();
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
    : implementation_(std::make_unique<Implementation>(
          Implementation{RunFolder(std::move(folder)), std::move(settings), nullptr, nullptr})) {
  log().set_quiet(true);
  with_hints([&] { implementation_->check_settings(); });
}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

bool Session::learn(const std::string& name, const std::vector<Sample>& train,
                    const std::vector<Sample>& test) {
  clear_interrupt();
  return with_hints([&] {
    if (name.empty() || name.starts_with(".") || name.find_first_of("/\\") != std::string::npos) {
      throw Error(ErrorKind::kUsage, fmt::format("[session] '{}' is no name for a task", name),
                  "It becomes the name of a folder: without '/', and without a dot in front.");
    }
    if (train.empty()) {
      throw Error(ErrorKind::kData, fmt::format("[session] task {} has no training rows", name));
    }
    const fs::path folder = implementation_->folder.given_tasks() / name;
    if (std::ranges::count(implementation_->known(), name) == 0)
      write_task(folder, {name, examples(train), {}, examples(test.empty() ? train : test)});
    return implementation_->learn(folder);
  });
}

bool Session::learn(const std::string& task_folder) {
  clear_interrupt();
  return with_hints([&] { return implementation_->learn(task_folder); });
}

bool Session::resume() {
  clear_interrupt();
  return with_hints([&] { return implementation_->resume(); });
}

std::string Session::answer(const std::string& prompt, const AnswerOptions& options) {
  return answer(std::vector<std::string>{prompt}, options).front();
}

std::vector<std::string> Session::answer(const std::vector<std::string>& prompts,
                                         const AnswerOptions& options) {
  return with_hints([&] {
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
    std::vector<std::string> texts;
    for (const std::vector<int32_t>& tokens : implementation_->answers().answer(prompts, generate))
      texts.push_back(implementation_->bench->tokenizer->decode(tokens));
    return texts;
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

void Session::stop() {
  request_interrupt();
}

void Session::show_progress(bool on) {
  log().set_quiet(!on);
}

}  // namespace ilora
