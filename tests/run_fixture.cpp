#include "tests/run_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <stdexcept>

#include "base/parallel.h"

namespace ilora::testing {
namespace {

// Opens `path` for writing as descriptor `as`. Async-signal-safe: runs between fork and exec.
void redirect(const char* path, int as) {
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || ::dup2(fd, as) < 0) ::_exit(127);
  ::close(fd);
}

}  // namespace

void copy_task(const std::string& name, const fs::path& to) {
  fs::create_directories(to);
  fs::copy(data_folder("tiny-tasks") / name, to / name);
}

Child::Child(const TemporaryFolder& folder, const std::vector<std::string>& arguments,
             const ChildOptions& options) {
  static std::atomic<int> number{0};
  const int n = number++;
  out_ = folder / fmt::format("child-{}.out", n);
  err_ = folder / fmt::format("child-{}.err", n);

  for (const fs::path& path : {out_, err_})
    write_file_atomic(path, "");  // there even if it dies at once

  std::vector<std::string> words = {ILORA_BINARY}, variables;
  words.insert(words.end(), arguments.begin(), arguments.end());
  for (char** v = environ; *v != nullptr; ++v) {
    const std::string text = *v;
    if (!options.environment.contains(text.substr(0, text.find('=')))) variables.push_back(text);
  }
  for (const auto& [key, value] : options.environment) variables.push_back(key + "=" + value);
  std::vector<char*> argv, envp;
  for (std::string& w : words) argv.push_back(w.data());
  for (std::string& v : variables) envp.push_back(v.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ > 0) return;
  if (!options.directory.empty() && ::chdir(options.directory.c_str()) != 0) ::_exit(127);
  redirect("/dev/null", STDIN_FILENO);
  redirect(out_.c_str(), STDOUT_FILENO);
  redirect(err_.c_str(), STDERR_FILENO);
  if (options.file_limit > 0) {
    const auto limit = static_cast<rlim_t>(options.file_limit);
    const struct rlimit bounds { limit, limit };
    if (::setrlimit(RLIMIT_FSIZE, &bounds) != 0) ::_exit(127);
  }
  ::execve(argv[0], argv.data(), envp.data());
  ::_exit(127);
}

Child::~Child() {
  if (!running()) return;
  send(SIGKILL);
  wait();
}

void Child::send(int signal) const {
  if (!status_) ::kill(pid_, signal);
}

bool Child::running() {
  if (status_) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  return !status_;
}

Outcome Child::wait() {
  if (!status_) {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    status_ = status;
  }
  Outcome outcome;
  if (WIFEXITED(*status_)) outcome.code = WEXITSTATUS(*status_);
  if (WIFSIGNALED(*status_)) outcome.signal = WTERMSIG(*status_);
  outcome.out = read_file(out_);
  outcome.err = read_file(err_);
  return outcome;
}

Outcome run_ilora(const TemporaryFolder& folder, const std::vector<std::string>& arguments,
                  const ChildOptions& options) {
  return Child(folder, arguments, options).wait();
}

std::vector<std::string> all_methods() {
  std::vector<std::string> names;
  for (const MethodEntry& entry : methods()) names.emplace_back(entry.name);
  return names;
}

std::vector<std::string> training_methods() {
  std::vector<std::string> names = all_methods();
  for (const char* stepless : {"zero-shot", "constant"}) std::erase(names, stepless);
  return names;
}

std::string test_name(std::string method) {
  std::replace(method.begin(), method.end(), '-', '_');
  return method;
}

Settings tiny_settings(const fs::path& output, const std::string& method, const Settings& more) {
  Settings settings = {
      "method=" + method,
      "output=" + output.string(),
      "model.path=" + data_folder("tiny-model").string(),
      "data.folder=" + data_folder("tiny-tasks").string(),
      "engine.threads=1",
      "engine.mode=f32",
      "lora.rank=4",
      "lora.alpha=8",
      "lora.targets=q_proj,v_proj,gate_proj,down_proj",
      "train.epochs=6",
      "train.batch_size=4",
      "train.learning_rate=0.02",
  };
  settings.insert(settings.end(), more.begin(), more.end());
  return settings;
}

std::vector<std::string> train_arguments(const Settings& settings) {
  std::vector<std::string> arguments = {"train"};
  for (const std::string& s : settings) arguments.insert(arguments.end(), {"--set", s});
  return arguments;
}

std::vector<Json> events(const fs::path& run, const std::string& event) {
  std::vector<Json> found;
  std::ifstream file(RunFolder(run).path(kMetricsFile));
  for (std::string line; std::getline(file, line);) {
    if (file.eof()) break;  // a line that is being written
    Json json = Json::parse(line);
    json.erase("tokens_per_second");
    json.erase("hash");  // of that, too
    if (event.empty() || json.at("event") == event) found.push_back(json);
  }
  return found;
}

int64_t count_steps(const fs::path& run) {
  return static_cast<int64_t>(events(run).size());
}

Json results_of(const fs::path& run) {
  return read_json(RunFolder(run).path(Results::kFile));
}

std::map<std::string, std::string> adapter_bytes(const fs::path& run) {
  std::map<std::string, std::string> files;
  const fs::path root = run / "checkpoints";
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().filename() == "adapter_model.safetensors")
      files[fs::relative(entry.path(), root).string()] = read_file(entry.path());
  }
  return files;
}

TinyRun::TinyRun(const Settings& settings) {
  configuration.set(settings);
  tasks = read_tasks(configuration.recipe);
  if (recipe().threads > 0) set_threads(static_cast<int>(recipe().threads));
  base = std::make_unique<LoadedModel>(recipe().model_options());
  bench = std::make_unique<Workbench>(*base, recipe());
}

std::vector<Row> TinyRun::rows(size_t task) const {
  std::vector<Row> rows;
  const std::vector<Example>& examples = tasks.at(task).train;
  for (size_t i = 0; i < examples.size(); ++i)
    rows.push_back(bench->encoder.encode(examples[i], static_cast<int32_t>(task),
                                         static_cast<uint64_t>(task) << 32 | i, "test"));
  return rows;
}

std::vector<const Row*> pointers(const std::vector<Row>& rows, size_t first, size_t count) {
  std::vector<const Row*> list;
  for (size_t i = first; i < rows.size() && i - first < count; ++i) list.push_back(&rows[i]);
  return list;
}

std::vector<float> values_of(Tensor flat) {
  return {flat.ptr<float>(), flat.ptr<float>() + flat.size()};
}

double relative_difference(Tensor a, Tensor b) {
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < b.size(); ++i) {
    const double x = static_cast<double>(a.ptr<float>()[i]),
                 y = static_cast<double>(b.ptr<float>()[i]);
    difference += (x - y) * (x - y);
    norm += y * y;
  }
  return std::sqrt(difference / norm);
}

}  // namespace ilora::testing
