// What `ilora export` hands on: an adapter out of a run, a folder or a file, the base model's files,
// and what is known of it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "model/adapter.h"
#include "model/model_files.h"
#include "runs/results.h"
#include "session/configuration.h"
#include "session/model_card.h"

namespace ilora {

struct ExportSource {
  std::string source;   // a run folder, a PEFT folder, or a LoRA file in GGUF
  std::string model;    // empty: the run's own, or the one that the PEFT folder names
  std::string learner;  // of a run; empty: the one that its method deploys
  std::string task;     // of a run: after which, by name or number; empty: the last
  std::string between;  // "A,B,T": the point (1-T) A + T B; empty: none
};

class ExportSubject {
 public:
  // Warns where the run's model is no longer what it was. Throws Error(kUsage) for an option that
  // does not go with the source, and what the readers of adapters and models throw.
  explicit ExportSubject(const ExportSource& from);

  const Adapter& adapter() const { return adapter_; }
  const ModelFiles& base() const { return *base_; }
  const std::string& base_name() const { return base_name_; }  // as it was named
  bool chat() const { return configuration_ && configuration_->recipe.text_template == "chat"; }
  bool of_run() const { return configuration_ != nullptr; }
  // What is exported, in words: "learner slow of runs/mine after task 5".
  const std::string& what() const { return what_; }
  // Name and base are left to whoever writes it.
  ModelCard card() const;

 private:
  void open_base(const std::string& name);
  void take_from_run(const ExportSource& from);
  void take_from_adapter(const ExportSource& from);
  int64_t task_number(const std::string& task) const;
  // An end of --between: LEARNER, TASK:LEARNER, or a folder or file.
  Adapter end(const std::string& text, int64_t task) const;
  void interpolate(const ExportSource& from, int64_t task);

  std::optional<RunFolder> folder_;
  std::unique_ptr<Configuration> configuration_;  // of a run
  std::optional<Results> results_;
  std::optional<ModelFiles> base_;
  std::string base_name_, what_, learner_;
  int64_t task_ = 0;
  bool scored_ = false;
  Adapter adapter_;
};

}  // namespace ilora
