// Whole runs for tests: a tiny model and tasks, a folder that goes away, the program as a child
// process, or its parts in this process.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "cli/command.h"
#include "runs/metrics.h"
#include "runs/results.h"
#include "runs/rows.h"
#include "tests/unit/base/temporary_folder.h"
#include "train/trainer.h"

namespace ilora::testing {

namespace fs = std::filesystem;

inline fs::path data_folder(const std::string& name) {
  return fs::path(ILORA_SOURCE_DIR) / "tests" / "data" / name;
}

// One of the tiny tasks, in another folder of tasks.
void copy_task(const std::string& name, const fs::path& to);

// ---- the program as a child process --------------------------------------------------------

struct ChildOptions {
  std::map<std::string, std::string> environment = {};  // added to this process's
  int64_t file_limit = 0;   // RLIMIT_FSIZE in bytes: a disk that is full; 0: none
  fs::path directory = {};  // where it works; empty: here
};

// How a child ended.
struct Outcome {
  int code = -1;    // exit code; -1 where a signal ended it
  int signal = 0;   // the signal that ended it
  std::string out;  // standard output
  std::string err;  // standard error

  // For matchers and failure messages.
  std::string all() const { return out + err; }
};

// `ilora` with arguments, its output caught in files of `folder`.
class Child {
 public:
  Child(const TemporaryFolder& folder, const std::vector<std::string>& arguments,
        const ChildOptions& options = {});
  ~Child();  // kills what still runs
  Child(const Child&) = delete;

  void send(int signal) const;
  bool running();
  Outcome wait();

 private:
  fs::path out_, err_;
  int pid_ = -1;
  std::optional<int> status_;
};

Outcome run_ilora(const TemporaryFolder& folder, const std::vector<std::string>& arguments,
                  const ChildOptions& options = {});

// ---- methods ---------------------------------------------------------------------------------

std::vector<std::string> all_methods();       // every registered one
std::vector<std::string> training_methods();  // those that take steps
// A method's name as a part of a test's name.
std::string test_name(std::string method);

// ---- configurations and run folders --------------------------------------------------------

// Overrides as `--set` takes them, "key=value".
using Settings = std::vector<std::string>;

// The settings that all tiny runs share: model, tasks, 24 steps per task at 16 rows, one thread,
// f32. Later ones win.
Settings tiny_settings(const fs::path& output, const std::string& method,
                       const Settings& more = {});
// {"train", "--set", ...}
std::vector<std::string> train_arguments(const Settings& settings);

// Parsed lines of metrics.jsonl, without what the clock decides; `event` empty: all.
std::vector<Json> events(const fs::path& run, const std::string& event = "step");
int64_t count_steps(const fs::path& run);
Json results_of(const fs::path& run);
// The bytes of every adapter_model.safetensors below checkpoints/, by path.
std::map<std::string, std::string> adapter_bytes(const fs::path& run);

// ---- the parts in this process -------------------------------------------------------------

// A configuration, its tasks and everything that trains them, in this thread with the
// configuration's number of threads.
struct TinyRun {
  explicit TinyRun(const Settings& settings);

  Configuration configuration;
  std::vector<TaskText> tasks;
  std::unique_ptr<const LoadedModel> base;
  std::unique_ptr<Workbench> bench;
  Comm comm;

  Recipe& recipe() { return configuration.recipe; }
  Engine& engine() { return bench->engine; }
  const ModelConfig& model() const { return base->config(); }
  // The rows of a task's training split, as the trainer numbers them.
  std::vector<Row> rows(size_t task) const;
};

std::vector<const Row*> pointers(const std::vector<Row>& rows, size_t first = 0,
                                 size_t count = SIZE_MAX);
std::vector<float> values_of(Tensor flat);
// |a - b| / |b|, both as vectors.
double relative_difference(Tensor a, Tensor b);

}  // namespace ilora::testing
