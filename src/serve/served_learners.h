// The learners that a server answers with, by the names that clients give: of a run, its deployed
// state, its learners, its tasks, and any point between two of them.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "model/adapter.h"
#include "model/pass.h"
#include "runs/run_folder.h"
#include "train/workbench.h"

namespace ilora {

// An adapter in memory that answers. It stays what it is as long as somebody holds it.
struct ServedLearner {
  ServedLearner(std::string called, Engine& engine, Adapter values);
  explicit ServedLearner(std::string called) : name(std::move(called)) {}  // the base model
  ServedLearner(const ServedLearner& other, double scale);                 // of its LoRA

  const std::string name;                        // what it is, for people
  const std::shared_ptr<const Adapter> adapter;  // null: none
  Answerer answerer;                             // its uses point to it
};

class ServedLearners {
 public:
  // Of a run, which may not be there yet, or of a model alone (`run` null). `bench`, whose engine
  // answers, outlives all learners.
  ServedLearners(std::string name, const RunFolder* run, Workbench& bench);

  // What answers from now on to the run's own name: a PEFT folder; empty: the base model. A
  // question that is being answered keeps what it has.
  void deploy(const std::string& what, const std::filesystem::path& adapter);

  // RUN: what is deployed. RUN:base: the model without an adapter. RUN:LEARNER: after the last task.
  // RUN:task-03: the learner that the method deploys, after that task. RUN:task-03:LEARNER.
  // RUN:A~B@0.3: the point from A to B, whose factors are interpolated. The run's name may be left
  // out. Throws RequestError(404) for another name, with those that there are.
  std::shared_ptr<const ServedLearner> find(const std::string& name);

  // Names that find() knows, points apart.
  std::vector<std::string> names() const;
  const std::string& name() const { return name_; }

 private:
  std::shared_ptr<const ServedLearner> load(const std::string& what);
  std::filesystem::path folder_of(const std::string& what) const;

  const std::string name_;
  const RunFolder* run_;
  Workbench& bench_;

  mutable std::mutex mutex_;
  std::shared_ptr<const ServedLearner> deployed_;
  struct Kept {
    std::string what;
    std::filesystem::file_time_type written;
    std::shared_ptr<const ServedLearner> learner;
  };
  std::vector<Kept> kept_;  // the latest last
};

}  // namespace ilora
