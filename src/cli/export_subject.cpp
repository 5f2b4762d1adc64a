#include "cli/export_subject.h"

#include <fmt/ranges.h>

#include <cmath>
#include <cstdlib>

#include "analysis/interpolate.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/console.h"
#include "model/adapter_file.h"
#include "model/peft.h"
#include "runs/schema.h"

namespace ilora {

namespace fs = std::filesystem;

namespace {

// base_model_name_or_path of a PEFT folder, where it is a path that leads somewhere from here.
std::string base_of_adapter(const fs::path& source) {
  const fs::path config = source / "adapter_config.json";
  if (!fs::exists(config)) return {};
  const Json json = read_json(config);
  const Json name = json.is_object() ? json.value("base_model_name_or_path", Json()) : Json();
  if (!name.is_string() || !fs::exists(name.get<std::string>())) return {};
  return name.get<std::string>();
}

void refuse_of_adapter(const ExportSource& from) {
  for (const auto& [option, value] :
       {std::pair("--learner", &from.learner), std::pair("--task", &from.task),
        std::pair("--between", &from.between)}) {
    if (!value->empty())
      throw Error(ErrorKind::kUsage, fmt::format("[export] {} is no run: it has no learners ({})",
                                                 from.source, option));
  }
}

}  // namespace

ExportSubject::ExportSubject(const ExportSource& from) {
  if (RunFolder(from.source).exists()) {
    take_from_run(from);
  } else {
    take_from_adapter(from);
  }
}

void ExportSubject::open_base(const std::string& name) {
  base_name_ = name;
  base_.emplace(name);
  say_left_out(*base_);
}

void ExportSubject::take_from_adapter(const ExportSource& from) {
  refuse_of_adapter(from);
  load_adapter_options(
      from.source);  // says what is wrong with the source before a model is asked for
  const std::string model = from.model.empty() ? base_of_adapter(from.source) : from.model;
  if (model.empty())
    throw Error(ErrorKind::kUsage,
                fmt::format("[export] {} does not say which model it belongs to", from.source),
                "Name the model: --model MODEL.gguf, or its Hugging Face folder.");
  open_base(model);
  adapter_ = load_adapter(from.source, *base_);
  what_ = from.source;
}

void ExportSubject::take_from_run(const ExportSource& from) {
  folder_.emplace(open_run(from.source));
  configuration_ = configuration_of(*folder_);
  warn_each(configuration_->warnings);
  if (fs::exists(folder_->path(Results::kFile))) results_ = read_run_file<Results>(*folder_);
  if (folder_->last_task() == 0)
    throw Error(ErrorKind::kFile, fmt::format("[export] {} has no adapters yet", from.source),
                "A run has adapters once its first task is learned.");
  Recipe& recipe = configuration_->recipe;
  if (!from.model.empty()) recipe.model = from.model;
  const ModelOptions options = recipe.model_options();
  open_base(options.path);
  if (from.model.empty()) warn_of(model_change(*folder_, *base_));
  task_ = task_number(from.task);
  if (from.task.empty() && configuration_->method().answers_by_task())
    log().info("{} answers each task with what it learned for it: this is the last one's (--task)",
               from.source);
  if (!from.between.empty()) return interpolate(from, task_);
  learner_ = from.learner.empty() ? configuration_->method().deployed() : from.learner;
  adapter_ = load_peft(folder_->saved_adapter(task_, learner_), base_->config());
  what_ = fmt::format("learner {} of {} after task {}", learner_, from.source, task_);
  if (!results_) return;
  const std::vector<std::string> scored = results_->learners();
  scored_ = std::ranges::find(scored, learner_) != scored.end();
}

int64_t ExportSubject::task_number(const std::string& task) const {
  if (task.empty()) return folder_->last_task();
  if (results_) {
    if (const auto column = results_->column(task)) return static_cast<int64_t>(*column) + 1;
  }
  char* end = nullptr;
  const int64_t number = std::strtoll(task.c_str(), &end, 10);
  if (*end == '\0' && number >= 1 && fs::is_directory(folder_->task(number))) return number;
  std::vector<std::string> known;
  for (int64_t k = 1; k <= folder_->last_task(); ++k) {
    if (fs::is_directory(folder_->task(k))) known.push_back(std::to_string(k));
  }
  throw Error(ErrorKind::kUsage,
              fmt::format("[export] {} has no checkpoint after task {} (--task)",
                          folder_->path().string(), task),
              fmt::format("It has checkpoints of tasks {}.", fmt::join(known, ", ")));
}

Adapter ExportSubject::end(const std::string& text, int64_t task) const {
  const size_t colon = text.find(':');
  if (colon != text.npos && !fs::exists(text))
    return load_peft(
        folder_->saved_adapter(task_number(text.substr(0, colon)), text.substr(colon + 1)),
        base_->config());
  if (fs::is_directory(folder_->adapter(task, text)) || !fs::exists(text))
    return load_peft(folder_->saved_adapter(task, text), base_->config());
  return load_adapter(text, *base_);
}

void ExportSubject::interpolate(const ExportSource& from, int64_t task) {
  if (!from.learner.empty())
    throw Error(ErrorKind::kUsage, "[export] --between names the learners itself (--learner)");
  const std::string& text = from.between;
  const size_t first = text.find(','), last = text.rfind(',');
  char* rest = nullptr;
  const double at = last == text.npos ? NAN : std::strtod(text.c_str() + last + 1, &rest);
  if (first == text.npos || first == last || rest == text.c_str() + last + 1 || *rest != '\0' ||
      !(at >= 0 && at <= 1))
    throw Error(
        ErrorKind::kUsage,
        fmt::format("[export] expected A,B,T with T from 0 to 1, got '{}' (--between)", text),
        "For example slow,fast,0.3, or 2:slow,5:slow,0.5 between checkpoints.");
  const std::string a = text.substr(0, first), b = text.substr(first + 1, last - first - 1);
  const Adapter begin = end(a, task), other = end(b, task);
  require_same_layout(begin, a, other, b);
  adapter_ = Adapter(base_->config(), begin.options());
  interpolate_factors(adapter_, begin, other, at);
  learner_ = fmt::format("the point {} of the way from {} to {}", at, a, b);
  what_ = fmt::format("{} in {} after task {}", learner_, from.source, task);
}

ModelCard ExportSubject::card() const {
  ModelCard card;
  card.adapter = adapter_.options();
  if (!of_run()) return card;
  card.results = results_;
  card.learner = learner_;
  card.text_template = configuration_->recipe.text_template;
  card.task = task_;
  card.scored = scored_;
  return card;
}

}  // namespace ilora
