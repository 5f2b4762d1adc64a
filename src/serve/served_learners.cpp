#include "serve/served_learners.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "analysis/interpolate.h"
#include "model/adapter_file.h"
#include "model/prompt_pool.h"
#include "serve/request_error.h"
#include "session/configuration.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostKept = 16;  // adapters in memory besides the deployed one

// "0.3" as a number from 0 to 1.
std::optional<double> share_of(std::string_view text) {
  double share = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), share);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  if (!(share >= 0 && share <= 1)) return {};
  return share;
}

// "task-03" or "task-03:slow": the number, and the learner ("" where none is named).
std::optional<std::pair<int64_t, std::string>> task_of(const std::string& what) {
  if (!what.starts_with("task-")) return {};
  const size_t colon = std::min(what.find(':'), what.size());
  int64_t number = 0;
  const auto [end, error] = std::from_chars(what.data() + 5, what.data() + colon, number);
  if (error != std::errc() || end != what.data() + colon || number < 1) return {};
  return std::pair(number, colon < what.size() ? what.substr(colon + 1) : std::string());
}

}  // namespace

ServedLearner::ServedLearner(std::string called, Engine& engine, Adapter values)
    : name(std::move(called)),
      adapter(std::make_shared<const Adapter>(std::move(values))),
      answerer(answerer_of(engine, *adapter)) {}

ServedLearner::ServedLearner(const ServedLearner& other, double scale)
    : name(fmt::format("{} x{}", other.name, scale)),
      adapter(other.adapter),
      answerer(other.answerer) {
  for (AdapterUse& use : answerer.uses) use.scale *= scale;
}

ServedLearners::ServedLearners(std::string name, const RunFolder* run, Workbench& bench)
    : name_(std::move(name)),
      run_(run),
      bench_(bench),
      deployed_(std::make_shared<ServedLearner>(name_ + ":base")) {}

void ServedLearners::deploy(const std::string& what, const fs::path& adapter) {
  auto learner = adapter.empty() ? std::make_shared<const ServedLearner>(name_ + ":base")
                                 : std::make_shared<const ServedLearner>(
                                       name_ + ":" + what, bench_.engine,
                                       load_adapter(adapter, bench_.model.files));
  const std::lock_guard lock(mutex_);
  deployed_ = std::move(learner);
}

std::vector<std::string> ServedLearners::names() const {
  std::vector<std::string> names = {name_, name_ + ":base"};
  if (run_ == nullptr) return names;
  const int64_t last = run_->last_task();
  if (last == 0) return names;
  for (const std::string& learner : run_->learners(last)) names.push_back(name_ + ":" + learner);
  for (int64_t task = 1; task <= last; ++task) {
    if (fs::is_directory(run_->task(task)))
      names.push_back(fmt::format("{}:task-{:02}", name_, task));
  }
  return names;
}

fs::path ServedLearners::folder_of(const std::string& what) const {
  if (run_ == nullptr) return {};
  const int64_t last = run_->last_task();
  const auto task = task_of(what);
  const int64_t number = task ? task->first : last;
  const std::string learner = !task                  ? what
                              : task->second.empty() ? configuration_of(*run_)->method().deployed()
                                                     : task->second;
  // A client's words never become a path: only names that the run has.
  if (number < 1 || number > last || !fs::is_directory(run_->task(number))) return {};
  const std::vector<std::string> there = run_->learners(number);
  if (std::ranges::count(there, learner) == 0) return {};
  return run_->adapter(number, learner);
}

// The adapter that a name means; one that was loaded before, where its file is the same.
std::shared_ptr<const ServedLearner> ServedLearners::load(const std::string& what) {
  const fs::path folder = folder_of(what);
  if (folder.empty()) return nullptr;
  const auto written = fs::last_write_time(folder / "adapter_model.safetensors");
  {
    const std::lock_guard lock(mutex_);
    for (const Kept& kept : kept_) {
      if (kept.what == what && kept.written == written) return kept.learner;
    }
  }
  auto learner = std::make_shared<const ServedLearner>(name_ + ":" + what, bench_.engine,
                                                       load_adapter(folder, bench_.model.files));
  const std::lock_guard lock(mutex_);
  std::erase_if(kept_, [&](const Kept& kept) { return kept.what == what; });
  if (kept_.size() == kMostKept) kept_.erase(kept_.begin());
  kept_.push_back({what, written, learner});
  return learner;
}

std::shared_ptr<const ServedLearner> ServedLearners::find(const std::string& name) {
  std::string what = name.starts_with(name_ + ":") ? name.substr(name_.size() + 1) : name;
  if (name.empty() || name == name_) {
    const std::lock_guard lock(mutex_);
    return deployed_;
  }
  if (what == "base") return std::make_shared<const ServedLearner>(name_ + ":base");
  const size_t way = what.find('~'), at = what.find('@');
  std::shared_ptr<const ServedLearner> learner;
  if (way != what.npos && at != what.npos && way < at) {
    const auto share = share_of(std::string_view(what).substr(at + 1));
    const auto from = load(what.substr(0, way)), to = load(what.substr(way + 1, at - way - 1));
    if (share && from != nullptr && to != nullptr) {
      require_same_layout(*from->adapter, from->name, *to->adapter, to->name);
      Adapter between(bench_.model.config(), from->adapter->options());
      interpolate_factors(between, *from->adapter, *to->adapter, *share);
      learner = std::make_shared<const ServedLearner>(name_ + ":" + what, bench_.engine,
                                                      std::move(between));
    }
  } else {
    learner = load(what);
  }
  if (learner != nullptr) return learner;
  throw RequestError(
      kNotFound, fmt::format("[serve] there is no model '{}'", name),
      fmt::format("There are {}; and {}:A~B@0.3, a point from one learner to another.",
                  fmt::join(names(), ", "), name_),
      "model_not_found");
}

}  // namespace ilora
